-- The audit: one row for each change, in the transaction of the change. Inserted, never altered.

-- +goose Up
CREATE TABLE audit_entries (
    id             uuid PRIMARY KEY,
    at             timestamptz NOT NULL,
    tenant_id      uuid, -- null: the platform's own affairs
    application_id uuid,
    actor_kind     text NOT NULL,
    actor_id       text NOT NULL,
    actor          text NOT NULL,
    action         text NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    object_kind    text NOT NULL,
    object_id      text NOT NULL,
    object         text NOT NULL,
    outcome        text NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    detail         jsonb NOT NULL DEFAULT '{}',
    address        text NOT NULL DEFAULT '',
    request_id     text NOT NULL DEFAULT ''
);
CREATE INDEX audit_by_time ON audit_entries (at DESC, id DESC);
CREATE INDEX audit_of_tenant ON audit_entries (tenant_id, at DESC, id DESC);
CREATE INDEX audit_by_action ON audit_entries (action, at DESC, id DESC);
CREATE INDEX audit_of_object ON audit_entries (object_kind, object_id, at DESC);
CREATE INDEX audit_by_actor ON audit_entries (actor_id, at DESC, id DESC);

-- +goose StatementBegin
CREATE FUNCTION audit_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are never changed or removed' USING ERRCODE = '42501';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_is_final BEFORE UPDATE OR DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_is_final();
CREATE TRIGGER audit_is_kept BEFORE TRUNCATE ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION audit_is_final();

-- +goose Down
DROP TABLE audit_entries;
DROP FUNCTION audit_is_final();
