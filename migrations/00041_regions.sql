-- An organisation belongs to one region for good, and its things to the installation of that region. Where an organisation has moved, its row may stay behind as a signpost: people and
-- programs that still come here are sent to the other region (engine/access, engine/tenants). Nothing new may begin for it here, so its door is closed as if it were being offboarded; and it
-- cannot become a signpost while a mailbox of it is still connected here.
-- +goose Up
GRANT SELECT (region) ON tenants TO postern_lookup;
GRANT SELECT (region) ON instance TO postern_lookup;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sec.tenant_closed(tenant uuid) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('postern tenant ' || tenant::text, 0));
    RETURN EXISTS (SELECT FROM public.tenants t WHERE t.id = tenant AND (t.state <> 'active' OR t.region <> (SELECT i.region FROM public.instance i)));
END $$;

CREATE FUNCTION tenant_may_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('postern tenant ' || NEW.id::text, 0));
    IF EXISTS (SELECT FROM grants g WHERE g.tenant_id = NEW.id AND g.status <> 'revoked') THEN
        RAISE EXCEPTION 'the organisation still has mailboxes connected here: revoke them before it moves to another region' USING ERRCODE = 'PO002';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER tenant_may_move BEFORE UPDATE OF region ON tenants FOR EACH ROW WHEN (NEW.region <> OLD.region) EXECUTE FUNCTION tenant_may_move();

-- +goose Down
DROP TRIGGER tenant_may_move ON tenants;
DROP FUNCTION tenant_may_move();
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sec.tenant_closed(tenant uuid) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('postern tenant ' || tenant::text, 0));
    RETURN EXISTS (SELECT FROM public.tenants t WHERE t.id = tenant AND t.state <> 'active');
END $$;
-- +goose StatementEnd
REVOKE SELECT (region) ON instance FROM postern_lookup;
REVOKE SELECT (region) ON tenants FROM postern_lookup;
