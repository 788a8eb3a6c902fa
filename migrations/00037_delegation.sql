-- Delegation: a credential may be one of Google's service accounts, to which an organisation's administrator has given its mailboxes (domain-wide delegation).
--
-- No person consents there, so a tenant may have one beside an app of its own, and a consent never takes it.

-- +goose Up
ALTER TABLE credentials ADD COLUMN type text NOT NULL DEFAULT 'connector' CHECK (type IN ('connector', 'serviceaccount'));
DROP INDEX credentials_of_tenant;
CREATE UNIQUE INDEX credentials_of_tenant ON credentials (application_id, provider, tenant_id, type) WHERE tenant_id IS NOT NULL;

-- +goose Down
DELETE FROM credentials WHERE type <> 'connector';
DROP INDEX credentials_of_tenant;
CREATE UNIQUE INDEX credentials_of_tenant ON credentials (application_id, provider, tenant_id) WHERE tenant_id IS NOT NULL;
ALTER TABLE credentials DROP COLUMN type;
