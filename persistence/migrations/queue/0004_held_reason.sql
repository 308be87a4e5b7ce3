-- +goose Up
-- Why a message is held; empty where it is not, or was held before this column.
ALTER TABLE messages ADD COLUMN held_reason TEXT NOT NULL DEFAULT '';
