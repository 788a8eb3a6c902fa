-- Credentials: another app of ours at a provider, beside the one of the connector; for example one that a tenant has registered itself.
--
-- A grant that was consented to through one of them is refreshed and revoked with it, so flow, grant and severance remember which. There is no foreign key from there: a
-- credential that is deleted stops its grants at once, and what they were made with stays on record.

-- +goose Up
CREATE TABLE credentials (
    application_id uuid NOT NULL REFERENCES applications (id),
    id             uuid NOT NULL,
    provider       text NOT NULL,
    tenant_id      uuid REFERENCES tenants (id), -- null: chosen by name only; else used whenever this tenant connects
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    client_id      text NOT NULL CHECK (client_id <> ''), -- the secret is sealed
    settings       jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (application_id, id),
    FOREIGN KEY (application_id, provider) REFERENCES connectors (application_id, provider) ON DELETE CASCADE
);
CREATE UNIQUE INDEX credentials_by_name ON credentials (application_id, provider, lower(name));
CREATE UNIQUE INDEX credentials_of_tenant ON credentials (application_id, provider, tenant_id) WHERE tenant_id IS NOT NULL;

ALTER TABLE credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY application ON credentials TO postern_app USING (application_id = (SELECT sec.application())) WITH CHECK (application_id = (SELECT sec.application()));
CREATE POLICY platform ON credentials TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON credentials TO postern_app, postern_platform;

ALTER TABLE connect_flows ADD COLUMN credential_id uuid;
ALTER TABLE grants ADD COLUMN credential_id uuid;
ALTER TABLE severances ADD COLUMN credential_id uuid;
CREATE INDEX grants_of_credential ON grants (credential_id) WHERE credential_id IS NOT NULL;

-- +goose Down
ALTER TABLE severances DROP COLUMN credential_id;
ALTER TABLE grants DROP COLUMN credential_id;
ALTER TABLE connect_flows DROP COLUMN credential_id;
DROP TABLE credentials;
