-- Who refreshes a grant's access token just now.
--
-- Several processes find one token expired at the same moment. Some providers replace the refresh token at each use and take a second use for theft, so that
-- two of them asking could end the grant. One takes the lease and asks; the others look again until the new token is there. The lease has an end, because its
-- holder may die; the grant's credential number is the fence that a holder who came back too late does not pass.

-- +goose Up
CREATE TABLE refresh_leases (
    tenant_id  uuid NOT NULL,
    grant_id   uuid NOT NULL,
    holder     text NOT NULL, -- one flight of one process
    credential int  NOT NULL, -- the number that is being replaced
    until      timestamptz NOT NULL, -- by the database's clock, the only one that all processes share
    PRIMARY KEY (tenant_id, grant_id),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE refresh_leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_leases FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON refresh_leases TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_leases TO postern_app;

-- +goose Down
DROP TABLE refresh_leases;
