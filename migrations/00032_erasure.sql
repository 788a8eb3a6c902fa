-- Erasure: a person's name, address and mailbox can be taken out of the audit and of the access ledger, and every proof still holds.
--
-- A leaf never held these fields, only commitments to them. From version 2 on each field has a salt of its own, drawn from the row's, so that one can be opened
-- while another is erased; entries that are in the log already keep version 1, where one salt stands for all four fields and they go together.
-- An erased row keeps the commitments (erased) and the salts of what is left (salts), and loses its own salt: without it nobody can try names against a commitment.
-- It is one more role that may do this, and only this: the running programs are not members of it. The trigger lets nothing else through, not even for the owner.

-- +goose Up
ALTER TABLE audit_leaves ADD COLUMN version smallint NOT NULL DEFAULT 1 CHECK (version IN (1, 2));
ALTER TABLE audit_entries ADD COLUMN erased jsonb NOT NULL DEFAULT '{}', ADD COLUMN salts jsonb NOT NULL DEFAULT '{}';

-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postern_eraser') THEN
        CREATE ROLE postern_eraser NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
    EXECUTE format('GRANT postern_eraser TO %I', current_user); -- so that the owner can become it
END $$;

CREATE FUNCTION audit_is_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.at, NEW.tenant_id, NEW.application_id, NEW.actor_kind, NEW.actor_id, NEW.action, NEW.object_kind, NEW.object_id, NEW.outcome, NEW.request_id)
        IS NOT DISTINCT FROM (OLD.id, OLD.at, OLD.tenant_id, OLD.application_id, OLD.actor_kind, OLD.actor_id, OLD.action, OLD.object_kind, OLD.object_id, OLD.outcome, OLD.request_id)
        AND NEW.actor IN (OLD.actor, '(erased)') AND NEW.object IN (OLD.object, '(erased)') AND NEW.address IN (OLD.address, '(erased)')
        AND NOT EXISTS (SELECT FROM jsonb_each_text(NEW.detail) n WHERE n.value <> '(erased)' AND n.value IS DISTINCT FROM OLD.detail ->> n.key)
        AND ARRAY(SELECT jsonb_object_keys(NEW.detail) ORDER BY 1) = ARRAY(SELECT jsonb_object_keys(OLD.detail) ORDER BY 1)
        AND NEW.erased <> '{}' AND NEW.erased @> OLD.erased AND NEW.salt = ''
        AND EXISTS (SELECT FROM audit_leaves l WHERE l.entry_id = OLD.id) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit entries are never changed or removed' USING ERRCODE = '42501';
END $$;
-- +goose StatementEnd
DROP TRIGGER audit_is_final ON audit_entries;
CREATE TRIGGER audit_is_final BEFORE DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_is_final();
CREATE TRIGGER audit_is_erased BEFORE UPDATE ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_is_erased();

CREATE POLICY eraser ON audit_entries TO postern_eraser USING (true) WITH CHECK (true);
CREATE POLICY eraser ON access_ledger TO postern_eraser USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE (actor, object, detail, address, salt, erased, salts) ON audit_entries TO postern_eraser;
GRANT SELECT ON audit_leaves TO postern_eraser;
GRANT SELECT, UPDATE (actor) ON access_ledger TO postern_eraser;
GRANT USAGE ON SCHEMA public TO postern_eraser;

-- +goose Down
REVOKE ALL ON audit_entries, audit_leaves, access_ledger FROM postern_eraser;
REVOKE ALL ON SCHEMA public FROM postern_eraser;
DROP POLICY eraser ON audit_entries;
DROP POLICY eraser ON access_ledger;
DROP TRIGGER audit_is_erased ON audit_entries;
DROP TRIGGER audit_is_final ON audit_entries;
CREATE TRIGGER audit_is_final BEFORE UPDATE OR DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_is_final();
DROP FUNCTION audit_is_erased();
ALTER TABLE audit_entries DROP COLUMN erased, DROP COLUMN salts;
ALTER TABLE audit_leaves DROP COLUMN version;
