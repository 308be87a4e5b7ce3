-- +goose Up
CREATE TABLE items (
    kind     TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    document TEXT    NOT NULL, -- JSON
    etag     TEXT    NOT NULL,
    revision BIGINT  NOT NULL, -- that wrote it last
    PRIMARY KEY (kind, key)
);

CREATE TABLE revisions (
    number  BIGINT NOT NULL PRIMARY KEY,
    author  TEXT   NOT NULL,
    comment TEXT   NOT NULL,
    at      BIGINT NOT NULL -- microseconds since 1970 UTC
);

CREATE TABLE edits (
    revision BIGINT NOT NULL REFERENCES revisions (number),
    ordinal  BIGINT NOT NULL, -- place within the revision
    kind     TEXT   NOT NULL,
    key      TEXT   NOT NULL,
    before   TEXT,            -- NULL: the item did not exist
    after    TEXT,            -- NULL: the edit deleted it
    PRIMARY KEY (revision, ordinal)
);

CREATE INDEX edits_of_item ON edits (kind, key, revision);
