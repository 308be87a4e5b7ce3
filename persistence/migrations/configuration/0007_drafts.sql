-- +goose Up
CREATE TABLE drafts (
    id         TEXT   NOT NULL PRIMARY KEY, -- time-ordered
    comment    TEXT   NOT NULL,
    author     TEXT   NOT NULL,
    created_at BIGINT NOT NULL, -- microseconds since 1970 UTC
    updated_at BIGINT NOT NULL,
    state      TEXT   NOT NULL,
    revision   BIGINT NOT NULL  -- 0: not committed
);

CREATE INDEX drafts_by_state ON drafts (state, id);

CREATE TABLE draft_edits (
    draft TEXT NOT NULL REFERENCES drafts (id),
    kind  TEXT NOT NULL,
    key   TEXT NOT NULL,
    base  TEXT NOT NULL, -- entity tag; empty: the item did not exist
    after TEXT,          -- NULL: the edit deletes it
    PRIMARY KEY (draft, kind, key)
);

ALTER TABLE revisions ADD COLUMN draft TEXT NOT NULL DEFAULT '';
ALTER TABLE revisions ADD COLUMN confirmation TEXT NOT NULL DEFAULT ''; -- empty: stood from the start
ALTER TABLE revisions ADD COLUMN confirm_by BIGINT;
ALTER TABLE revisions ADD COLUMN settled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE revisions ADD COLUMN reverted_in BIGINT NOT NULL DEFAULT 0;
ALTER TABLE revisions ADD COLUMN reverts BIGINT NOT NULL DEFAULT 0;

-- One revision waits to be confirmed, whatever a fault of ours may try.
CREATE UNIQUE INDEX one_pending_revision ON revisions (confirmation) WHERE confirmation = 'pending';
