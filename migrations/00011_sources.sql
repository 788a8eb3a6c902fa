-- What receiving from others needs: the secrets of an inbound endpoint, a declared rotation window, and exact counts of what floods in.
--
-- A sender such as Nylas' cloud ends the old secret the moment it makes the new one. So a secret can be staged before it is used, and while a
-- rotation is declared a call that no known secret explains is put off, not refused. verification_counts takes what comes beyond a rate: the
-- log stays small and the numbers stay right. The sealed values are under owner kind webhook_secret.

-- +goose Up
ALTER TABLE inbound_endpoints ADD COLUMN window_until timestamptz;
CREATE TABLE inbound_secrets (
    endpoint_id      uuid NOT NULL REFERENCES inbound_endpoints (id),
    id               uuid PRIMARY KEY,
    generation       integer NOT NULL CHECK (generation > 0),
    staged           boolean NOT NULL DEFAULT false, -- not seen yet: the first genuine call under it makes it the one in force
    overlap_seconds  integer NOT NULL DEFAULT 0 CHECK (overlap_seconds BETWEEN 0 AND 604800), -- of the one before, when a staged one comes into force
    valid_from       timestamptz NOT NULL,
    valid_until      timestamptz, -- null: no end
    last_accepted_at timestamptz,
    UNIQUE (endpoint_id, generation)
);
CREATE UNIQUE INDEX inbound_secrets_staged_once ON inbound_secrets (endpoint_id) WHERE staged;
GRANT SELECT, INSERT, UPDATE, DELETE ON inbound_secrets TO postern_platform;

CREATE TABLE verification_counts (
    minute         timestamptz NOT NULL,
    endpoint_id    uuid NOT NULL, -- all zeros: no such endpoint
    reason         text NOT NULL,
    source         text NOT NULL,
    application_id uuid,
    tenant_id      uuid,
    webhook_id     uuid,
    count          bigint NOT NULL CHECK (count > 0),
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (minute, endpoint_id, reason)
);
ALTER TABLE verification_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE verification_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON verification_counts TO postern_app
    USING (tenant_id = (SELECT sec.tenant()) OR application_id = (SELECT sec.application()));
CREATE POLICY platform ON verification_counts TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT ON verification_counts TO postern_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON verification_counts TO postern_platform;

-- +goose Down
DROP TABLE verification_counts, inbound_secrets;
ALTER TABLE inbound_endpoints DROP COLUMN window_until;
