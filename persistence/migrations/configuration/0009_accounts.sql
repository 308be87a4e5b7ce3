-- +goose Up
CREATE TABLE audit_log (
    number     BIGINT NOT NULL PRIMARY KEY, -- without gaps
    at         BIGINT NOT NULL,             -- microseconds since 1970 UTC
    phase      TEXT   NOT NULL,
    begun      BIGINT NOT NULL,             -- 0: none
    actor      TEXT   NOT NULL,
    source     TEXT   NOT NULL,
    interface  TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    operation  TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    status     BIGINT NOT NULL,
    count      BIGINT NOT NULL,
    revision   BIGINT NOT NULL,
    request    TEXT   NOT NULL, -- JSON; empty: none
    before     TEXT   NOT NULL,
    after      TEXT   NOT NULL,
    hash       BLOB   NOT NULL  -- SHA-256 over the hash before and this row
);

CREATE INDEX audit_log_by_time ON audit_log (at);
CREATE INDEX audit_log_by_actor ON audit_log (actor, number);
CREATE INDEX audit_log_by_operation ON audit_log (operation, number);

-- The ends of the chain, sealed: one row.
CREATE TABLE audit_ends (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    sealed BLOB   NOT NULL
);

ALTER TABLE administrators ADD COLUMN disabled BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '';         -- names, parted by spaces; empty: all of the role
ALTER TABLE tokens ADD COLUMN addresses TEXT NOT NULL DEFAULT '';      -- networks, parted by spaces; empty: anywhere
ALTER TABLE tokens ADD COLUMN last_used_at BIGINT;                     -- NULL: never
ALTER TABLE tokens ADD COLUMN last_used_from TEXT NOT NULL DEFAULT '';

CREATE TABLE idempotency_keys (
    caller     TEXT   NOT NULL,
    operation  TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    digest     BLOB   NOT NULL, -- of path, query, headers that matter and body
    created_at BIGINT NOT NULL,
    reply      BLOB,            -- sealed; NULL: the first request is under way
    PRIMARY KEY (caller, operation, key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
