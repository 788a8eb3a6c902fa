-- Service accounts: programs that manage an application's API keys, known by the RSA signature of each request.
--
-- Only the public key is kept: whoever reads this table can prove nothing. A request is good once: its nonce is a row until its time is over, so that a copy of it is
-- refused by every process.

-- +goose Up
CREATE TABLE service_accounts (
    application_id uuid NOT NULL REFERENCES applications (id),
    id             uuid NOT NULL UNIQUE, -- the key's id: X-Nylas-Kid
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    public_key     bytea NOT NULL, -- SubjectPublicKeyInfo (RFC 5280 section 4.1), of RSA
    permissions    text[] NOT NULL,
    addresses      text[] NOT NULL,
    created_by     text NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    last_used_at   timestamptz,
    revoked_at     timestamptz,
    PRIMARY KEY (application_id, id)
);

CREATE TABLE service_nonces (
    account_id uuid NOT NULL REFERENCES service_accounts (id),
    nonce_hash bytea NOT NULL CHECK (length(nonce_hash) = 32),
    ends_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, nonce_hash)
);
CREATE INDEX service_nonces_by_end ON service_nonces (ends_at);

ALTER TABLE service_accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON service_accounts TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON service_accounts TO postern_platform;
ALTER TABLE service_nonces ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_nonces FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON service_nonces TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON service_nonces TO postern_platform;

-- +goose Down
DROP TABLE service_nonces, service_accounts;
