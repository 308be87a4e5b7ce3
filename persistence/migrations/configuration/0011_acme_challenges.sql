-- +goose Up
CREATE TABLE acme_challenges (
    token             TEXT   NOT NULL PRIMARY KEY,
    key_authorization TEXT   NOT NULL,
    created_at        BIGINT NOT NULL,
    created_by        TEXT   NOT NULL
);
