-- +goose Up
-- Id of what a job is about; empty: nothing by itself.
ALTER TABLE jobs ADD COLUMN subject TEXT NOT NULL DEFAULT '';

CREATE INDEX jobs_by_subject ON jobs (subject, kind, id);
