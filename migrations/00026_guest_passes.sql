-- Guest passes: an outside reviewer looks at one tenant, read only, for some days, without being a member.
--
-- The link is 256 random bits, of which the hash is kept. A guest's session carries the pass instead of a member, and the pass is read with each request, so that it
-- ends when it is revoked, when its time is over, and when its tenant leaves. Every page that a guest opens is a row before it is shown.

-- +goose Up
CREATE TABLE guest_passes (
    tenant_id    uuid NOT NULL REFERENCES tenants (id),
    id           uuid NOT NULL UNIQUE,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    token_hash   bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    last_seen_at timestamptz,
    views        bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX guest_passes_by_time ON guest_passes (created_at, id);

CREATE TABLE guest_views (
    tenant_id  uuid NOT NULL,
    pass_id    uuid NOT NULL,
    id         uuid NOT NULL,
    at         timestamptz NOT NULL,
    path       text NOT NULL CHECK (length(path) <= 500),
    address    text NOT NULL DEFAULT '',
    user_agent text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, pass_id, id),
    FOREIGN KEY (tenant_id, pass_id) REFERENCES guest_passes (tenant_id, id)
);

ALTER TABLE sessions ADD COLUMN pass_id uuid REFERENCES guest_passes (id);
CREATE INDEX sessions_by_pass ON sessions (pass_id) WHERE pass_id IS NOT NULL;

ALTER TABLE guest_passes ENABLE ROW LEVEL SECURITY;
ALTER TABLE guest_passes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON guest_passes TO postern_app USING (tenant_id = (SELECT sec.tenant()));
CREATE POLICY platform ON guest_passes TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT ON guest_passes TO postern_app;
GRANT SELECT, INSERT, UPDATE ON guest_passes TO postern_platform;
ALTER TABLE guest_views ENABLE ROW LEVEL SECURITY;
ALTER TABLE guest_views FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON guest_views TO postern_app USING (tenant_id = (SELECT sec.tenant()));
CREATE POLICY platform ON guest_views TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT ON guest_views TO postern_app;
GRANT SELECT, INSERT ON guest_views TO postern_platform;

-- +goose Down
ALTER TABLE sessions DROP COLUMN pass_id;
DROP TABLE guest_views, guest_passes;
