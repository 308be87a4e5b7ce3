-- +goose Up
CREATE TABLE messages (
    id          INTEGER NOT NULL PRIMARY KEY, -- sorts by time
    sender      TEXT    NOT NULL,             -- empty: the null sender
    received_at BIGINT  NOT NULL,             -- microseconds since 1970 UTC, as all times
    size        BIGINT  NOT NULL,             -- of the body, in octets
    held        INTEGER NOT NULL,
    told        INTEGER NOT NULL,             -- the sender knows of the delay
    in_file     INTEGER NOT NULL,             -- the body is a file in spool/, not a row of bodies
    envelope    TEXT    NOT NULL,             -- JSON: the rest
    finished_at BIGINT                        -- NULL: recipients are left to be tried
);

CREATE INDEX messages_open ON messages (id) WHERE finished_at IS NULL;
CREATE INDEX messages_finished ON messages (id) WHERE finished_at IS NOT NULL;

CREATE TABLE bodies (
    message_id INTEGER NOT NULL PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    body       BLOB    NOT NULL
);

CREATE TABLE recipients (
    message_id      INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    idx             INTEGER NOT NULL, -- place in the envelope
    address         TEXT    NOT NULL,
    destination     TEXT    NOT NULL, -- domain or address literal
    notify          TEXT    NOT NULL, -- RFC 3461 NOTIFY
    original        TEXT    NOT NULL, -- RFC 3461 ORCPT
    state           INTEGER NOT NULL, -- 0 queued, 1 delivered, 2 bounced, 3 deleted
    waiting         INTEGER NOT NULL, -- 1: queued and not held
    attempts        INTEGER NOT NULL,
    next_attempt_at BIGINT  NOT NULL, -- 0 unless waiting
    fence           BIGINT  NOT NULL, -- grows with each change
    last_outcome    TEXT    NOT NULL, -- JSON, empty before the first attempt
    PRIMARY KEY (message_id, idx)
) WITHOUT ROWID;

CREATE INDEX recipients_schedule ON recipients (waiting, destination, next_attempt_at, message_id);

CREATE TABLE decisions (
    hash     BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of the document
    document TEXT    NOT NULL,             -- JSON
    used_on  INTEGER NOT NULL              -- days since 1970 UTC
) WITHOUT ROWID;

CREATE TABLE attempts (
    id               INTEGER NOT NULL PRIMARY KEY, -- sorts by time
    message_id       INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    at               BIGINT  NOT NULL,
    duration_us      BIGINT  NOT NULL,
    revision         BIGINT  NOT NULL,
    decision         BLOB    NOT NULL, -- hash
    host             TEXT    NOT NULL,
    address          TEXT    NOT NULL,
    tls_version      TEXT    NOT NULL,
    tls_cipher       TEXT    NOT NULL,
    tls_verified     INTEGER NOT NULL,
    tls_verification TEXT    NOT NULL,
    reused           INTEGER NOT NULL,
    hosts            TEXT    NOT NULL, -- JSON
    results          TEXT    NOT NULL  -- JSON
);

CREATE INDEX attempts_of_message ON attempts (message_id, id);

CREATE TABLE probes (
    id INTEGER NOT NULL PRIMARY KEY,
    at BIGINT  NOT NULL
);
