-- Sealed values: the only table with ciphertext, and the keys that open it.
--
-- A data key belongs to one tenant and is wrapped by the key-encryption key, which is not in the database. The platform's own secrets
-- stand under the nil tenant. A ciphertext opens only in its own place: tenant, owner kind, field, owner and version are its associated
-- data, so a row copied elsewhere, or rolled back, fails to open.

-- +goose Up
CREATE TABLE data_keys (
    tenant_id    uuid PRIMARY KEY,
    id           uuid NOT NULL UNIQUE,
    kek_id       text NOT NULL,
    wrapped      bytea,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE TABLE sealed (
    tenant_id  uuid NOT NULL REFERENCES data_keys (tenant_id),
    owner_kind text NOT NULL,
    owner_id   uuid NOT NULL,
    field      text NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    ciphertext bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, owner_kind, owner_id, field)
);

-- +goose Down
DROP TABLE sealed, data_keys;
