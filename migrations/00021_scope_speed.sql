-- The scope's check, made cheap: it runs in every statement of every request, and was most of what a read of one grant cost.
--
-- sec.tenant() and sec.application() were SQL functions, which Postgres parses and plans anew in each statement. As PL/pgSQL they keep their plans for the life of the
-- connection. A scope of one kind is not verified by the function of the other: that one gives NULL, which shows nothing, and the kind it does claim verifies it. What
-- claims no kind at all is as loud as before.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION sec.scoped(want text) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
DECLARE
    raw  text := current_setting('postern.scope', true);
    part text[];
    mac  bytea;
BEGIN
    IF raw IS NULL OR raw = '' THEN
        RETURN NULL;
    END IF;
    part := string_to_array(raw, '|'); -- kind | id | backend pid | expiry, unix seconds | MAC in hex
    IF part[1] IS DISTINCT FROM want AND part[1] IN ('tenant', 'application') THEN
        RETURN NULL;
    END IF;
    SELECT sha256(k.outer_pad || sha256(k.inner_pad || convert_to(array_to_string(part[1:4], '|'), 'UTF8'))) INTO mac FROM sec.scope_key k;
    IF array_length(part, 1) IS DISTINCT FROM 5 OR mac IS NULL OR encode(mac, 'hex') IS DISTINCT FROM part[5] OR part[1] IS DISTINCT FROM want
        OR part[3]::int IS DISTINCT FROM pg_backend_pid() OR part[4]::bigint < extract(epoch FROM now()) THEN
        RAISE EXCEPTION 'the scope of this transaction is not one that Postern signed' USING ERRCODE = '42501';
    END IF;
    RETURN part[2]::uuid;
END $$;

CREATE OR REPLACE FUNCTION sec.tenant() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ BEGIN RETURN sec.scoped('tenant'); END $$;

CREATE OR REPLACE FUNCTION sec.application() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ BEGIN RETURN sec.scoped('application'); END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sec.scoped(text) FROM PUBLIC;

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sec.tenant() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT s.id FROM sec.scope() s WHERE s.kind = 'tenant' $$;

CREATE OR REPLACE FUNCTION sec.application() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT s.id FROM sec.scope() s WHERE s.kind = 'application' $$;
-- +goose StatementEnd
DROP FUNCTION sec.scoped(text);
