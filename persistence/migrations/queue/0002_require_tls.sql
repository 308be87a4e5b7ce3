-- +goose Up
-- REQUIRETLS is a matter of each recipient.
ALTER TABLE recipients ADD COLUMN require_tls INTEGER NOT NULL DEFAULT 0;
