-- +goose Up
-- A certificate that waits for an authority has a request and no chain yet; a
-- staged activation takes place at its time.
ALTER TABLE certificates ADD COLUMN request      TEXT    NOT NULL DEFAULT ''; -- PEM
ALTER TABLE certificates ADD COLUMN staged_at    BIGINT;                      -- NULL: no activation is to come
ALTER TABLE certificates ADD COLUMN staged_by    TEXT    NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN staged_force BOOLEAN NOT NULL DEFAULT FALSE;
