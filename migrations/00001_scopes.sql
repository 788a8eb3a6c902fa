-- Scopes: the wall behind the WHERE clauses.
--
-- Every transaction of the runtime roles states a scope in the setting postern.scope. The statement is signed, because a bare setting
-- could be changed by any SQL that an attacker manages to inject: sec.scope() takes it only with a MAC over kind, id, backend and
-- expiry, under a key that the runtime roles cannot read. Without a scope the functions give NULL, and a policy that compares
-- with NULL shows nothing. A scope that is present and wrong raises 42501, so that an attempt is loud.
--
-- HMAC-SHA256 (RFC 2104) is spelled out with sha256(): pgcrypto would be one more extension to install for one function. The key is
-- kept as its two padded forms.

-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
    -- Roles belong to the whole cluster; these two hold privileges and cannot log in. The login roles are members of them.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postern_app') THEN
        CREATE ROLE postern_app NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postern_platform') THEN
        CREATE ROLE postern_platform NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- another database of the cluster made them just now
END $$;
-- +goose StatementEnd

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO postern_app, postern_platform;

CREATE SCHEMA sec;
GRANT USAGE ON SCHEMA sec TO postern_app, postern_platform;

CREATE TABLE sec.scope_key (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    inner_pad  bytea NOT NULL CHECK (length(inner_pad) = 64),
    outer_pad  bytea NOT NULL CHECK (length(outer_pad) = 64)
);

-- +goose StatementBegin
CREATE FUNCTION sec.scope(OUT kind text, OUT id uuid) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    raw  text := current_setting('postern.scope', true);
    part text[];
    mac  bytea;
BEGIN
    IF raw IS NULL OR raw = '' THEN
        RETURN;
    END IF;
    part := string_to_array(raw, '|'); -- kind | id | backend pid | expiry, unix seconds | MAC in hex
    SELECT sha256(k.outer_pad || sha256(k.inner_pad || convert_to(array_to_string(part[1:4], '|'), 'UTF8'))) INTO mac FROM sec.scope_key k;
    IF array_length(part, 1) IS DISTINCT FROM 5 OR mac IS NULL OR encode(mac, 'hex') IS DISTINCT FROM part[5]
        OR part[3]::int IS DISTINCT FROM pg_backend_pid() OR part[4]::bigint < extract(epoch FROM now()) THEN
        RAISE EXCEPTION 'the scope of this transaction is not one that Postern signed' USING ERRCODE = '42501';
    END IF;
    kind := part[1];
    id := part[2]::uuid;
END $$;

CREATE FUNCTION sec.tenant() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT s.id FROM sec.scope() s WHERE s.kind = 'tenant' $$;

CREATE FUNCTION sec.application() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT s.id FROM sec.scope() s WHERE s.kind = 'application' $$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION sec.scope(), sec.tenant(), sec.application() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sec.tenant(), sec.application() TO postern_app, postern_platform;

-- One row: what this installation is. The instance secret is wrapped by the key-encryption key; role passwords, the scope key and the
-- digests of the logs are derived from it. The canary tells a wrong key from a missing one before anything is written.
CREATE TABLE instance (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id             uuid NOT NULL DEFAULT gen_random_uuid(),
    region         text NOT NULL CHECK (region IN ('us', 'eu')),
    kek_id         text NOT NULL,
    wrapped_secret bytea NOT NULL,
    canary         bytea NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE instance;
DROP SCHEMA sec CASCADE;
