-- +goose Up
CREATE TABLE mta_sts_policies ( -- of other domains
    domain     TEXT   NOT NULL PRIMARY KEY,
    text       TEXT   NOT NULL, -- as it was received; empty: none was ever fetched
    record_id  TEXT   NOT NULL,
    fetched_at BIGINT NOT NULL, -- 0: never
    expires_at BIGINT NOT NULL,
    refresh_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,
    pin        TEXT   NOT NULL, -- JSON; empty: not pinned
    failure    TEXT   NOT NULL  -- JSON: of the last try
) WITHOUT ROWID;
