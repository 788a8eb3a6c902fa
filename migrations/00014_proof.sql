-- Proof: the audit as a Merkle log (RFC 9162; the hashes are those of golang.org/x/mod/sumdb/tlog).
--
-- Entries stay plain inserts in the transaction of the change. A trigger notes each one as pending; the sequencer, one among all processes by an advisory
-- lock, takes committed ones in the order of their noting, gives each the next leaf, stores the tree's new hashes and signs a checkpoint, in one transaction. Identity values commit out of
-- order, so "greater than the last" would lose entries: a queue does not. salt hides the personal fields in a leaf behind commitments.

-- +goose Up
ALTER TABLE audit_entries ADD COLUMN salt bytea NOT NULL DEFAULT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'));

CREATE TABLE audit_pending (
    place    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id uuid NOT NULL UNIQUE
);

CREATE TABLE audit_leaves (
    index    bigint PRIMARY KEY CHECK (index >= 0),
    entry_id uuid NOT NULL UNIQUE,
    hash     bytea NOT NULL CHECK (length(hash) = 32)
);

CREATE TABLE audit_hashes (
    index bigint PRIMARY KEY CHECK (index >= 0),
    hash  bytea NOT NULL CHECK (length(hash) = 32)
);

CREATE TABLE checkpoints (
    size bigint PRIMARY KEY CHECK (size > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    note text NOT NULL,
    at   timestamptz NOT NULL
);

-- +goose StatementBegin
-- The runtime roles add entries and must not see or touch the queue, so the trigger runs with its owner's rights.
CREATE FUNCTION audit_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.audit_pending (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION audit_note() FROM PUBLIC;
CREATE TRIGGER audit_note AFTER INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_note();
INSERT INTO audit_pending (entry_id) SELECT id FROM audit_entries ORDER BY at, id;

CREATE TRIGGER audit_leaves_are_final BEFORE UPDATE OR DELETE ON audit_leaves FOR EACH ROW EXECUTE FUNCTION audit_is_final();
CREATE TRIGGER audit_hashes_are_final BEFORE UPDATE OR DELETE ON audit_hashes FOR EACH ROW EXECUTE FUNCTION audit_is_final();
CREATE TRIGGER checkpoints_are_final BEFORE UPDATE OR DELETE ON checkpoints FOR EACH ROW EXECUTE FUNCTION audit_is_final();

GRANT SELECT, DELETE ON audit_pending TO postern_platform;
GRANT SELECT, INSERT ON audit_leaves, audit_hashes, checkpoints TO postern_platform;

-- +goose Down
DROP TRIGGER audit_note ON audit_entries;
DROP FUNCTION audit_note();
DROP TABLE checkpoints, audit_hashes, audit_leaves, audit_pending;
ALTER TABLE audit_entries DROP COLUMN salt;
