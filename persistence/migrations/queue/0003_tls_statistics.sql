-- +goose Up
CREATE TABLE tls_statistics (
    hour         BIGINT NOT NULL, -- its beginning
    direction    TEXT   NOT NULL, -- incoming, outgoing
    domain       TEXT   NOT NULL, -- of the recipients, or of the client
    requirement  TEXT   NOT NULL, -- required, preferred, none
    result       TEXT   NOT NULL, -- success, failed, clear
    version      TEXT   NOT NULL, -- as TLS1.3; empty without TLS
    cipher       TEXT   NOT NULL,
    verification TEXT   NOT NULL, -- in a word
    connections  BIGINT NOT NULL,
    messages     BIGINT NOT NULL,
    PRIMARY KEY (hour, direction, domain, requirement, result, version, cipher, verification)
) WITHOUT ROWID;

CREATE INDEX tls_statistics_by_domain ON tls_statistics (domain, hour);

-- What was last seen of a destination; times are 0 where nothing was.
CREATE TABLE destinations (
    domain           TEXT    NOT NULL PRIMARY KEY, -- or address literal
    tls_at           BIGINT  NOT NULL,
    tls_host         TEXT    NOT NULL,
    tls_result       TEXT    NOT NULL,
    tls_version      TEXT    NOT NULL,
    tls_cipher       TEXT    NOT NULL,
    tls_verified     INTEGER NOT NULL,
    tls_verification TEXT    NOT NULL,
    tls_detail       TEXT    NOT NULL,
    error_at         BIGINT  NOT NULL,
    error_outcome    TEXT    NOT NULL -- JSON
) WITHOUT ROWID;

-- What waits again, and what is held, by destination: both are few beside what
-- was delivered at once.
CREATE INDEX recipients_deferred ON recipients (destination, attempts) WHERE waiting = 1 AND attempts > 0;
CREATE INDEX messages_held ON messages (id) WHERE held = 1 AND finished_at IS NULL;
