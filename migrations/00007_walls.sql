-- Walls: who may touch which table, and which rows of it.
--
-- postern_app works for one tenant or one application at a time and sees only rows of its scope. postern_platform works for staff and
-- for Postern's own workers over all tenants; it has no way to any sealed value. postern_lookup owns the functions that find
-- a tenant by what a caller presents (the hash of a token, an id) and return ids only; it reads just the columns they compare.
-- Row-level security is forced, so that even the owner of the tables is bound by it.

-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postern_lookup') THEN
        CREATE ROLE postern_lookup NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- Tables of tenants that an application's programs work with too: seen by the tenant's scope or the application's.
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['grants', 'connect_links', 'connect_flows', 'token_families', 'issued_tokens', 'severances', 'receipts', 'events'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant_or_application ON %I TO postern_app
            USING (tenant_id = (SELECT sec.tenant()) OR application_id = (SELECT sec.application()))
            WITH CHECK (tenant_id = (SELECT sec.tenant()) OR application_id = (SELECT sec.application()))', t);
        EXECUTE format('CREATE POLICY platform ON %I TO postern_platform USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO postern_app', t);
        EXECUTE format('GRANT SELECT ON %I TO postern_platform', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['grants', 'token_families', 'issued_tokens'] LOOP
        EXECUTE format('GRANT DELETE ON %I TO postern_app', t);
    END LOOP;
    -- Sealed values and data keys: the tenant's scope alone.
    FOREACH t IN ARRAY ARRAY['sealed', 'data_keys'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO postern_app
            USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()))', t);
    END LOOP;
    GRANT SELECT, INSERT, UPDATE, DELETE ON sealed TO postern_app;
    GRANT SELECT, INSERT, UPDATE ON data_keys TO postern_app;
    -- An application's own tables, some of whose rows are narrowed to one tenant.
    FOREACH t IN ARRAY ARRAY['api_keys', 'webhooks', 'webhook_secrets', 'deliveries', 'attempts', 'callback_uris', 'connectors'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY application ON %I TO postern_app
            USING (application_id = (SELECT sec.application())) WITH CHECK (application_id = (SELECT sec.application()))', t);
        EXECUTE format('CREATE POLICY platform ON %I TO postern_platform USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO postern_app, postern_platform', t);
    END LOOP;
    -- Proof: a tenant reads its own; rows are added under the scope they belong to.
    FOREACH t IN ARRAY ARRAY['audit_entries', 'verifications'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY scope ON %I TO postern_app
            USING (tenant_id = (SELECT sec.tenant()) OR application_id = (SELECT sec.application()))
            WITH CHECK (tenant_id = (SELECT sec.tenant()) OR application_id = (SELECT sec.application()))', t);
        EXECUTE format('CREATE POLICY platform ON %I TO postern_platform USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO postern_app, postern_platform', t);
    END LOOP;
    -- People and endpoints: on the platform alone. They carry a tenant, so the wall stands here too.
    FOREACH t IN ARRAY ARRAY['memberships', 'inbound_endpoints'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY platform ON %I TO postern_platform USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO postern_platform', t);
    END LOOP;
END $$;
-- +goose StatementEnd

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants TO postern_app USING (id = (SELECT sec.tenant()));
CREATE POLICY platform ON tenants TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT ON tenants TO postern_app;
GRANT SELECT, INSERT, UPDATE ON tenants TO postern_platform;

ALTER TABLE applications ENABLE ROW LEVEL SECURITY;
ALTER TABLE applications FORCE ROW LEVEL SECURITY;
CREATE POLICY application ON applications TO postern_app USING (id = (SELECT sec.application())) WITH CHECK (id = (SELECT sec.application()));
CREATE POLICY platform ON applications TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE ON applications TO postern_app;
GRANT SELECT, INSERT, UPDATE ON applications TO postern_platform;

GRANT SELECT, INSERT, UPDATE, DELETE ON members, passkeys, sessions, invites, inbound_seen TO postern_platform;
GRANT SELECT ON instance TO postern_app, postern_platform;

GRANT USAGE, CREATE ON SCHEMA sec TO postern_lookup;
GRANT SELECT (tenant_id, id, hash) ON issued_tokens TO postern_lookup;
GRANT SELECT (tenant_id, id, token_hash) ON connect_links TO postern_lookup;
GRANT SELECT (tenant_id, id, state_hash, code_hash) ON connect_flows TO postern_lookup;
GRANT SELECT (tenant_id, id, application_id) ON grants TO postern_lookup;
GRANT SELECT (application_id, id, hash) ON api_keys TO postern_lookup;
CREATE POLICY lookup ON issued_tokens FOR SELECT TO postern_lookup USING (true);
CREATE POLICY lookup ON connect_links FOR SELECT TO postern_lookup USING (true);
CREATE POLICY lookup ON connect_flows FOR SELECT TO postern_lookup USING (true);
CREATE POLICY lookup ON grants FOR SELECT TO postern_lookup USING (true);
CREATE POLICY lookup ON api_keys FOR SELECT TO postern_lookup USING (true);

CREATE FUNCTION sec.find_token(presented bytea, OUT tenant uuid, OUT id uuid) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT t.tenant_id, t.id FROM public.issued_tokens t WHERE t.hash = presented $$;
CREATE FUNCTION sec.find_link(presented bytea, OUT tenant uuid, OUT id uuid) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT l.tenant_id, l.id FROM public.connect_links l WHERE l.token_hash = presented $$;
CREATE FUNCTION sec.find_flow_by_state(presented bytea, OUT tenant uuid, OUT id uuid) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT f.tenant_id, f.id FROM public.connect_flows f WHERE f.state_hash = presented $$;
CREATE FUNCTION sec.find_flow_by_code(presented bytea, OUT tenant uuid, OUT id uuid) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT f.tenant_id, f.id FROM public.connect_flows f WHERE f.code_hash = presented $$;
CREATE FUNCTION sec.find_flow(flow uuid, OUT tenant uuid) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT f.tenant_id FROM public.connect_flows f WHERE f.id = flow $$;
CREATE FUNCTION sec.find_grant(grant_id uuid, application uuid, OUT tenant uuid) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT g.tenant_id FROM public.grants g WHERE g.id = grant_id AND g.application_id = application $$;
CREATE FUNCTION sec.find_key(presented bytea, OUT application uuid, OUT id uuid) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT k.application_id, k.id FROM public.api_keys k WHERE k.hash = presented $$;
CREATE UNIQUE INDEX connect_flows_by_id ON connect_flows (id);

-- +goose StatementBegin
DO $$
DECLARE f regprocedure;
BEGIN
    EXECUTE format('GRANT postern_lookup TO %I', current_user); -- only a member may hand a function over
    FOR f IN SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'sec' AND p.proname LIKE 'find\_%' LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO postern_app, postern_platform', f);
        EXECUTE format('ALTER FUNCTION %s OWNER TO postern_lookup', f);
    END LOOP;
    REVOKE CREATE ON SCHEMA sec FROM postern_lookup;
END $$;
-- +goose StatementEnd
GRANT USAGE ON SCHEMA public TO postern_lookup;

-- +goose Down
DROP FUNCTION sec.find_token(bytea), sec.find_link(bytea), sec.find_flow_by_state(bytea), sec.find_flow_by_code(bytea), sec.find_flow(uuid), sec.find_grant(uuid, uuid), sec.find_key(bytea);
DROP INDEX connect_flows_by_id;
-- +goose StatementBegin
DO $$
DECLARE p record;
BEGIN
    FOR p IN SELECT policyname, tablename FROM pg_policies WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP POLICY %I ON %I', p.policyname, p.tablename);
        EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', p.tablename);
        EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', p.tablename);
    END LOOP;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM postern_app, postern_platform, postern_lookup;
END $$;
-- +goose StatementEnd
