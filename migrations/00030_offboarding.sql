-- Offboarding: everything of a tenant is ended by a plan that a second person approves.
--
-- The plan is frozen with its hash; approval closes the door in one transaction, and the steps after it are durable. A tenant whose door is closed
-- gets no grant, link, flow, key, webhook or member any more: the database refuses them, whoever asks. sec.tenant_closed waits for an approval under way, so that nothing slips in beside it.

-- +goose Up
CREATE TABLE offboardings (
    tenant_id       uuid NOT NULL REFERENCES tenants (id),
    id              uuid NOT NULL,
    state           text NOT NULL CHECK (state IN ('planned', 'approved', 'running', 'done', 'withdrawn', 'stale')), -- stale: what is there is no longer what was planned
    plan            jsonb NOT NULL,
    plan_hash       bytea NOT NULL CHECK (length(plan_hash) = 32),
    reason          text NOT NULL,
    ticket          text NOT NULL DEFAULT '',
    wait_seconds    integer NOT NULL CHECK (wait_seconds BETWEEN 0 AND 259200), -- how long a provider that is down is asked, at most
    start_at        timestamptz, -- null: with the approval
    requested_by    text NOT NULL,
    requested_by_id text NOT NULL,
    requested_at    timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL, -- of the plan: no approval after it
    approved_by     text NOT NULL DEFAULT '',
    approved_by_id  text NOT NULL DEFAULT '',
    approved_at     timestamptz,
    started_at      timestamptz,
    deadline_at     timestamptz, -- from here providers are not waited for
    beat_at         timestamptz, -- a worker was at it
    ended_at        timestamptz,
    ended_by        text NOT NULL DEFAULT '', -- who withdrew it
    certificate     jsonb,
    entry_id        uuid, -- the audit entry that commits to the certificate
    PRIMARY KEY (tenant_id, id),
    CHECK (approved_by_id <> requested_by_id),
    CHECK ((state IN ('planned', 'withdrawn', 'stale')) OR approved_at IS NOT NULL),
    CHECK ((state IN ('running', 'done')) = (started_at IS NOT NULL)),
    CHECK ((state = 'done') = (certificate IS NOT NULL))
);
CREATE UNIQUE INDEX offboardings_one_open ON offboardings (tenant_id) WHERE state IN ('planned', 'approved', 'running');
CREATE INDEX offboardings_by_time ON offboardings (requested_at DESC, id DESC);
CREATE INDEX offboardings_open ON offboardings (beat_at) WHERE state IN ('approved', 'running');

CREATE TABLE offboarding_steps (
    tenant_id      uuid NOT NULL,
    offboarding_id uuid NOT NULL,
    name           text NOT NULL,
    place          integer NOT NULL,
    total          integer NOT NULL DEFAULT 0,
    done           integer NOT NULL DEFAULT 0,
    counts         jsonb NOT NULL DEFAULT '{}', -- what it ended, by noun
    started_at     timestamptz,
    ended_at       timestamptz,
    PRIMARY KEY (tenant_id, offboarding_id, name),
    FOREIGN KEY (tenant_id, offboarding_id) REFERENCES offboardings (tenant_id, id)
);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['offboardings', 'offboarding_steps'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()))', t);
        EXECUTE format('CREATE POLICY platform ON %I TO postern_platform USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO postern_app, postern_platform', t);
    END LOOP;
END $$;
-- +goose StatementEnd
GRANT UPDATE (state, updated_at) ON tenants TO postern_app; -- of its own row: the door closes in one transaction with its grants
ALTER TABLE severances ADD COLUMN offboarding_id uuid; -- null: cut one by one
CREATE INDEX severances_of_offboarding ON severances (tenant_id, offboarding_id) WHERE offboarding_id IS NOT NULL;

-- Whether a tenant's door is closed. The lock is shared among writers; an approval takes it alone, so that a writer either ends before it and is counted, or waits and is refused.
CREATE POLICY lookup ON tenants FOR SELECT TO postern_lookup USING (true);
GRANT SELECT (id, state) ON tenants TO postern_lookup;
-- +goose StatementBegin
CREATE FUNCTION sec.tenant_closed(tenant uuid) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('postern tenant ' || tenant::text, 0));
    RETURN EXISTS (SELECT FROM public.tenants t WHERE t.id = tenant AND t.state <> 'active');
END $$;

CREATE FUNCTION tenant_is_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.tenant_id IS NOT NULL AND sec.tenant_closed(NEW.tenant_id) THEN
        RAISE EXCEPTION 'the tenant''s door is closed' USING ERRCODE = 'PO001';
    END IF;
    RETURN NEW;
END $$;

DO $$
BEGIN
    REVOKE ALL ON FUNCTION sec.tenant_closed(uuid) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION sec.tenant_closed(uuid) TO postern_app, postern_platform;
    GRANT USAGE, CREATE ON SCHEMA sec TO postern_lookup;
    ALTER FUNCTION sec.tenant_closed(uuid) OWNER TO postern_lookup;
    REVOKE CREATE ON SCHEMA sec FROM postern_lookup;
END $$;
-- +goose StatementEnd
CREATE TRIGGER tenant_is_open BEFORE INSERT ON connect_links FOR EACH ROW EXECUTE FUNCTION tenant_is_open();
CREATE TRIGGER tenant_is_open BEFORE INSERT ON connect_flows FOR EACH ROW EXECUTE FUNCTION tenant_is_open();
CREATE TRIGGER tenant_is_open BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION tenant_is_open();
CREATE TRIGGER tenant_is_open BEFORE INSERT ON webhooks FOR EACH ROW EXECUTE FUNCTION tenant_is_open();
CREATE TRIGGER tenant_is_open BEFORE INSERT ON memberships FOR EACH ROW EXECUTE FUNCTION tenant_is_open();
CREATE TRIGGER tenant_is_open BEFORE INSERT OR UPDATE OF status ON grants FOR EACH ROW WHEN (NEW.status IN ('pending', 'valid')) EXECUTE FUNCTION tenant_is_open();

-- +goose Down
DROP TRIGGER tenant_is_open ON grants;
DROP TRIGGER tenant_is_open ON memberships;
DROP TRIGGER tenant_is_open ON webhooks;
DROP TRIGGER tenant_is_open ON api_keys;
DROP TRIGGER tenant_is_open ON connect_flows;
DROP TRIGGER tenant_is_open ON connect_links;
DROP FUNCTION tenant_is_open();
DROP FUNCTION sec.tenant_closed(uuid);
DROP POLICY lookup ON tenants;
REVOKE SELECT (id, state) ON tenants FROM postern_lookup;
ALTER TABLE severances DROP COLUMN offboarding_id;
REVOKE UPDATE (state, updated_at) ON tenants FROM postern_app;
DROP TABLE offboarding_steps, offboardings;
