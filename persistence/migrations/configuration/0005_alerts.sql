-- +goose Up
CREATE TABLE alerts (
    id                TEXT   NOT NULL PRIMARY KEY, -- time-ordered
    type              TEXT   NOT NULL,
    severity          TEXT   NOT NULL,
    kind              TEXT   NOT NULL,
    about             TEXT   NOT NULL,
    subject           TEXT   NOT NULL,
    detail            TEXT   NOT NULL,
    count             BIGINT NOT NULL,
    first_seen        BIGINT NOT NULL,
    last_seen         BIGINT NOT NULL,
    state             TEXT   NOT NULL,
    silenced_until    BIGINT, -- NULL: not silenced
    acknowledged_by   TEXT   NOT NULL,
    resolution        TEXT   NOT NULL,
    resolved_at       BIGINT, -- NULL: not resolved
    notified          BIGINT NOT NULL, -- how often
    notified_at       BIGINT, -- NULL: never
    next_notification BIGINT, -- NULL: at the next event
    notices           TEXT   NOT NULL  -- JSON array
);

-- Of each cause one alert is not resolved, whatever a fault of ours may try.
CREATE UNIQUE INDEX one_unresolved_alert ON alerts (kind, about) WHERE state <> 'resolved';
CREATE INDEX alerts_by_resolution ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;
