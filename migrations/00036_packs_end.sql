-- An evidence pack of a tenant ends with the tenant: its file goes when the tenant's sealed values do, and the row says so. It holds what the tenant's own people and
-- mailboxes were called, and would outlive the key that everything else of them was under.

-- +goose Up
ALTER TABLE evidence_packs DROP CONSTRAINT evidence_packs_state_check;
ALTER TABLE evidence_packs ADD CONSTRAINT evidence_packs_state_check CHECK (state IN ('waiting', 'running', 'ready', 'failed', 'destroyed'));
GRANT DELETE ON evidence_contents TO postern_platform;

-- +goose Down
REVOKE DELETE ON evidence_contents FROM postern_platform;
DELETE FROM evidence_packs WHERE state = 'destroyed';
ALTER TABLE evidence_packs DROP CONSTRAINT evidence_packs_state_check;
ALTER TABLE evidence_packs ADD CONSTRAINT evidence_packs_state_check CHECK (state IN ('waiting', 'running', 'ready', 'failed'));
