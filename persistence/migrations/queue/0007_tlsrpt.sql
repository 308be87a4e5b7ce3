-- +goose Up
-- What reports to other domains are about: sessions by day of UTC.
CREATE TABLE tls_report_sessions (
    day         BIGINT NOT NULL, -- its beginning
    domain      TEXT   NOT NULL, -- of the recipients
    policy      TEXT   NOT NULL, -- sts, tlsa, no-policy-found
    policy_text TEXT   NOT NULL,
    failure     TEXT   NOT NULL, -- RFC 8460 result type; empty: success
    mx_host     TEXT   NOT NULL,
    address     TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    sessions    BIGINT NOT NULL,
    PRIMARY KEY (day, domain, policy, policy_text, failure, mx_host, address, reason)
) WITHOUT ROWID;
