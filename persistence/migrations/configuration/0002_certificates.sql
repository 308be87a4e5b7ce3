-- +goose Up
CREATE TABLE certificates (
    id            TEXT    NOT NULL PRIMARY KEY, -- time-ordered
    label         TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    names         TEXT    NOT NULL, -- JSON array
    issuer        TEXT    NOT NULL,
    serial_number TEXT    NOT NULL,
    not_before    BIGINT  NOT NULL,
    not_after     BIGINT  NOT NULL,
    key_type      TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,
    chain         TEXT    NOT NULL, -- PEM, leaf first
    insecure      BOOLEAN NOT NULL,
    warnings      TEXT    NOT NULL, -- JSON array
    created_at    BIGINT  NOT NULL,
    created_by    TEXT    NOT NULL,
    activation    BIGINT  NOT NULL, -- 0: never activated
    activated_at  BIGINT,
    activated_by  TEXT    NOT NULL
);

-- One certificate is active, whatever a fault of ours may try.
CREATE UNIQUE INDEX one_active_certificate ON certificates (state) WHERE state = 'active';

-- Keys are apart, so that nothing that lists certificates touches them.
CREATE TABLE private_keys (
    certificate_id TEXT NOT NULL PRIMARY KEY REFERENCES certificates (id) ON DELETE CASCADE,
    sealed         BLOB NOT NULL
);
