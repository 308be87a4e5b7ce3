-- +goose Up
CREATE TABLE secrets (
    id         TEXT   NOT NULL PRIMARY KEY, -- random; documents refer to it
    sealed     BLOB   NOT NULL,
    created_at BIGINT NOT NULL -- microseconds since 1970 UTC
);
