-- Key rotation: a data key becomes a set of keys with one in use, and every sealed row says which of them it is under.
--
-- key_id is read from the ciphertext itself (Tink's prefix: one byte of version, four of key id), so that it cannot say anything else than what is there.
-- key_counts is what the pages show: numbers only, counted inside each tenant's scope, because the platform's role has no way to the tables themselves.

-- +goose Up
ALTER TABLE sealed ADD COLUMN key_id bigint NOT NULL GENERATED ALWAYS AS
    (CASE WHEN length(ciphertext) < 5 THEN 0 ELSE get_byte(ciphertext, 1)::bigint * 16777216 + get_byte(ciphertext, 2) * 65536 + get_byte(ciphertext, 3) * 256 + get_byte(ciphertext, 4) END) STORED;
CREATE INDEX sealed_by_key ON sealed (tenant_id, key_id);

-- key_id 0: from before this migration; the first rotation learns it. rotated_at: since when the key in use is in use.
ALTER TABLE data_keys ADD COLUMN key_id bigint NOT NULL DEFAULT 0;
ALTER TABLE data_keys ADD COLUMN rotated_at timestamptz;
ALTER TABLE data_keys ADD COLUMN settled_at timestamptz; -- since when nothing is under an older key, and older keys are gone

CREATE TABLE key_rotations (
    id          uuid PRIMARY KEY,
    started_by  text NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    tenants     integer NOT NULL DEFAULT 0, -- to do, when it began
    done        integer NOT NULL DEFAULT 0,
    wrapped     bigint NOT NULL DEFAULT 0,  -- data keys wrapped anew
    resealed    bigint NOT NULL DEFAULT 0   -- rows sealed anew
);
-- One at a time: a second command or click goes on with the one that is open.
CREATE UNIQUE INDEX key_rotations_open ON key_rotations ((true)) WHERE finished_at IS NULL;
CREATE INDEX key_rotations_by_time ON key_rotations (started_at);

CREATE TABLE key_counts (
    tenant_id   uuid PRIMARY KEY,
    key_since   timestamptz, -- of the key in use; null: the tenant has none, or it was destroyed
    kek_id      text NOT NULL DEFAULT '',
    sealed      bigint NOT NULL,
    current     bigint NOT NULL,
    counted_at  timestamptz NOT NULL,
    CHECK (current BETWEEN 0 AND sealed)
);
ALTER TABLE key_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE key_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON key_counts TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()));
CREATE POLICY platform ON key_counts TO postern_platform USING (true);
GRANT SELECT, INSERT, UPDATE ON key_counts TO postern_app;
GRANT SELECT ON key_counts TO postern_platform;
GRANT SELECT, INSERT, UPDATE ON key_rotations TO postern_platform;

-- +goose Down
DROP TABLE key_counts, key_rotations;
ALTER TABLE data_keys DROP COLUMN settled_at, DROP COLUMN rotated_at, DROP COLUMN key_id;
DROP INDEX sealed_by_key;
ALTER TABLE sealed DROP COLUMN key_id;
