-- Evidence: where Postern connects to, the packs that a reviewer takes home, and the documents that only people can bring.

-- +goose Up
-- One row a host, counted in batches from what each process saw. seen_at: a person has looked at a new one.
CREATE TABLE egress_hosts (
    purpose   text NOT NULL,
    host      text NOT NULL CHECK (length(host) <= 253),
    port      integer NOT NULL CHECK (port BETWEEN 0 AND 65535),
    connected bigint NOT NULL DEFAULT 0,
    refused   bigint NOT NULL DEFAULT 0, -- by our own guard
    failed    bigint NOT NULL DEFAULT 0,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    seen_at   timestamptz,
    seen_by   text NOT NULL DEFAULT '',
    PRIMARY KEY (purpose, host, port)
);
CREATE INDEX egress_hosts_new ON egress_hosts (first_at DESC) WHERE seen_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON egress_hosts TO postern_platform;

CREATE TABLE evidence_packs (
    id           uuid PRIMARY KEY,
    tenant_id    uuid REFERENCES tenants (id), -- null: the whole installation
    requested_by text NOT NULL,
    masked       boolean NOT NULL,
    state        text NOT NULL CHECK (state IN ('waiting', 'running', 'ready', 'failed')),
    step         integer NOT NULL DEFAULT 0,
    steps        integer NOT NULL,
    problem      text NOT NULL DEFAULT '',
    digest       bytea,
    size         bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL,
    finished_at  timestamptz
);
CREATE INDEX evidence_packs_by_time ON evidence_packs (created_at DESC);
CREATE INDEX evidence_packs_of_tenant ON evidence_packs (tenant_id, created_at DESC);
CREATE TABLE evidence_contents (
    pack_id   uuid PRIMARY KEY REFERENCES evidence_packs (id) ON DELETE CASCADE,
    tenant_id uuid,
    content   bytea NOT NULL
);
-- The document is sealed; here is what tells of it.
CREATE TABLE evidence_documents (
    id          uuid PRIMARY KEY,
    requirement text NOT NULL,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind        text NOT NULL,
    digest      bytea NOT NULL CHECK (length(digest) = 32),
    size        bigint NOT NULL CHECK (size > 0),
    expires_at  timestamptz,
    added_by    text NOT NULL,
    added_at    timestamptz NOT NULL,
    removed_at  timestamptz
);
CREATE INDEX evidence_documents_of ON evidence_documents (requirement, added_at DESC);
GRANT SELECT, INSERT, UPDATE ON evidence_documents TO postern_platform;
-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['evidence_packs', 'evidence_contents'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()))', t);
        EXECUTE format('CREATE POLICY platform ON %I TO postern_platform USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT ON %I TO postern_app', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO postern_platform', t);
    END LOOP;
END $$;
-- +goose StatementEnd

-- What the requirement map asks for, at a million grants.
CREATE INDEX grants_unrecorded ON grants (tenant_id) WHERE status = 'valid' AND cardinality(scopes_requested) > 0 AND cardinality(scopes_granted) = 0;
CREATE INDEX grants_by_status ON grants (status, created_at DESC, id DESC);
CREATE INDEX severances_closed ON severances (tenant_id, id) WHERE closed_at IS NOT NULL;

-- +goose Down
DROP INDEX severances_closed, grants_by_status, grants_unrecorded;
DROP TABLE evidence_documents, evidence_contents, evidence_packs, egress_hosts;
