-- +goose Up
-- Only what waits is ever looked for by its time: a recipient that is done with
-- leaves the index instead of moving to another part of it.
DROP INDEX recipients_schedule;
CREATE INDEX recipients_schedule ON recipients (destination, next_attempt_at, message_id) WHERE waiting = 1;
