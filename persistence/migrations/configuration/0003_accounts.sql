-- +goose Up
CREATE TABLE administrators (
    name          TEXT   NOT NULL PRIMARY KEY,
    role          TEXT   NOT NULL,
    password_hash TEXT   NOT NULL, -- argon2id in PHC form; empty: no password
    created_at    BIGINT NOT NULL
);

CREATE TABLE tokens (
    id         TEXT   NOT NULL PRIMARY KEY, -- time-ordered
    name       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    hash       BLOB   NOT NULL, -- SHA-256 of the secret
    created_by TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT -- NULL: never
);

CREATE UNIQUE INDEX tokens_by_name ON tokens (name);
CREATE UNIQUE INDEX tokens_by_hash ON tokens (hash);
