-- +goose Up
-- Moments are microseconds since 1970 UTC.
CREATE TABLE jobs (
    id          TEXT   NOT NULL PRIMARY KEY, -- time-ordered
    kind        TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    author      TEXT   NOT NULL,
    done        BIGINT NOT NULL,
    total       BIGINT NOT NULL, -- 0: not known
    unit        TEXT   NOT NULL,
    steps       TEXT   NOT NULL, -- JSON array
    result      TEXT,            -- JSON; NULL: none
    problem     TEXT,            -- JSON; NULL: none
    created_at  BIGINT NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT           -- NULL: not over
);

CREATE INDEX unfinished_jobs ON jobs (id) WHERE finished_at IS NULL;

-- The number that was given last: it outlives the events.
CREATE TABLE event_numbers (
    last BIGINT NOT NULL
);

INSERT INTO event_numbers (last) VALUES (0);

CREATE TABLE events (
    number       BIGINT NOT NULL PRIMARY KEY, -- in the order of the commits, without gaps
    type         TEXT   NOT NULL,
    subject_kind TEXT   NOT NULL,
    subject_key  TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    data         TEXT   NOT NULL -- JSON object
);

CREATE TABLE webhook_states (
    webhook       TEXT   NOT NULL PRIMARY KEY, -- name
    position      BIGINT NOT NULL, -- number of the last event that is settled
    failures      BIGINT NOT NULL, -- tries that failed since the last good one
    failing_since BIGINT,          -- NULL: not failing
    next_try      BIGINT           -- NULL: at once
);

CREATE TABLE webhook_deliveries (
    webhook  TEXT   NOT NULL,
    event    BIGINT NOT NULL, -- number
    type     TEXT   NOT NULL,
    state    TEXT   NOT NULL,
    attempts TEXT   NOT NULL, -- JSON array, the newest last
    at       BIGINT NOT NULL, -- of the newest attempt
    PRIMARY KEY (webhook, event)
);
