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

-- What rules that only report would have refused.
CREATE TABLE report_only (
    day      BIGINT NOT NULL, -- its beginning
    kind     TEXT   NOT NULL, -- destination_control, mail_flow_policy, content_filter
    name     TEXT   NOT NULL, -- of the rule
    refused  BIGINT NOT NULL, -- messages
    untold   BIGINT NOT NULL, -- messages of which that is not known
    first_at BIGINT NOT NULL, -- 0: nothing would have been refused
    last_at  BIGINT NOT NULL,
    example  TEXT   NOT NULL, -- queue id of the last one
    detail   TEXT   NOT NULL, -- why
    PRIMARY KEY (day, kind, name)
) WITHOUT ROWID;
