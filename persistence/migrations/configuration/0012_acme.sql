-- +goose Up
CREATE TABLE acme_accounts (
    directory     TEXT   NOT NULL PRIMARY KEY,
    url           TEXT   NOT NULL, -- empty: not registered yet
    key_secret_id TEXT   NOT NULL,
    created_at    BIGINT NOT NULL
);

CREATE TABLE acme_renewal (
    id             BIGINT NOT NULL PRIMARY KEY, -- 1
    certificate_id TEXT   NOT NULL,
    directory      TEXT   NOT NULL,
    names          TEXT   NOT NULL, -- JSON array
    renew_at       BIGINT NOT NULL,
    failures       BIGINT NOT NULL,
    next_try       BIGINT NOT NULL
);
