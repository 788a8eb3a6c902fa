-- Rights that were used: asked for, given and used are three things, and a reviewer wants to see the third beside the other two.

-- +goose Up
CREATE TABLE capability_uses (
    tenant_id    uuid NOT NULL,
    grant_id     uuid NOT NULL,
    capability   text NOT NULL,
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, grant_id, capability),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE capability_uses ENABLE ROW LEVEL SECURITY;
ALTER TABLE capability_uses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON capability_uses TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()));
CREATE POLICY platform ON capability_uses TO postern_platform USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON capability_uses TO postern_app;
GRANT SELECT ON capability_uses TO postern_platform;

-- +goose Down
DROP TABLE capability_uses;
