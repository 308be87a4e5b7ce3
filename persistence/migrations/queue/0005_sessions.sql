-- +goose Up
CREATE TABLE sessions (
    id          INTEGER NOT NULL PRIMARY KEY, -- sorts by the session's end
    at          BIGINT  NOT NULL,             -- it began
    duration_us BIGINT  NOT NULL,
    listener    TEXT    NOT NULL,
    client      TEXT    NOT NULL,             -- address
    sender_group TEXT   NOT NULL,
    policy      TEXT    NOT NULL,             -- mail flow policy
    outcome     TEXT    NOT NULL,             -- accepted, refused, idle
    tls_offered INTEGER NOT NULL,
    tls_result  TEXT    NOT NULL,             -- success, failed, clear, none
    tls_version TEXT    NOT NULL,             -- empty without TLS
    tls_cipher  TEXT    NOT NULL,
    accepted    INTEGER NOT NULL,             -- messages
    refused     INTEGER NOT NULL,
    revision    BIGINT  NOT NULL,
    detail      TEXT    NOT NULL              -- JSON: the rest
);

CREATE INDEX sessions_by_client ON sessions (client, id);
