-- The access ledger: who reached which mailbox through the API, when, from where, with what outcome. Never what was in it.
--
-- One row for each call to a mailbox. Rows are added in batches by the platform's role, which writes for all tenants at once; nobody may change or remove one. Days go
-- away whole, as in the verification log, by a function that refuses to keep less than 90 days: the least-privilege review looks back that far.
-- The mailbox's address is not here: it is found by the grant while the grant lives.

-- +goose Up
CREATE TABLE access_ledger (
    at             timestamptz NOT NULL,
    id             uuid NOT NULL,
    tenant_id      uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id       uuid NOT NULL,
    actor_kind     text NOT NULL CHECK (actor_kind IN ('key', 'token')),
    actor_id       text NOT NULL,
    actor          text NOT NULL, -- the key's name and prefix as they were
    operation      text NOT NULL, -- messages.list, messages.send ...
    outcome        text NOT NULL, -- ok, or the code of what was answered instead
    address        text NOT NULL DEFAULT '',
    request_id     text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, at, id)
) PARTITION BY RANGE (at);
CREATE TABLE access_ledger_rest PARTITION OF access_ledger DEFAULT;
CREATE INDEX access_ledger_by_time ON access_ledger (at DESC, id DESC);
CREATE INDEX access_ledger_of_grant ON access_ledger (tenant_id, grant_id, at DESC, id DESC);
CREATE INDEX access_ledger_of_actor ON access_ledger (actor_id, at DESC, id DESC);

ALTER TABLE access_ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_ledger FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON access_ledger TO postern_app USING (tenant_id = (SELECT sec.tenant()) OR application_id = (SELECT sec.application()));
CREATE POLICY platform ON access_ledger TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT ON access_ledger TO postern_app;
GRANT SELECT, INSERT ON access_ledger TO postern_platform;

-- +goose StatementBegin
CREATE FUNCTION sec.turn_access_ledger(keep integer, ahead integer, OUT made integer, OUT dropped integer) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
    day date;
    part record;
BEGIN
    IF keep < 90 OR ahead NOT BETWEEN 0 AND 60 THEN
        RAISE EXCEPTION 'the access ledger is kept for 90 days at least' USING ERRCODE = '22023';
    END IF;
    made := 0;
    dropped := 0;
    PERFORM pg_advisory_xact_lock(hashtext('postern access ledger days'));
    FOR i IN 0..ahead LOOP
        day := (now() AT TIME ZONE 'UTC')::date + i;
        -- A day that has begun in the rest stays there.
        CONTINUE WHEN to_regclass('public.access_ledger_' || to_char(day, 'YYYYMMDD')) IS NOT NULL
            OR EXISTS (SELECT FROM public.access_ledger_rest r WHERE r.at >= day AND r.at < day + 1);
        EXECUTE format('CREATE TABLE public.%I PARTITION OF public.access_ledger FOR VALUES FROM (%L) TO (%L)', 'access_ledger_' || to_char(day, 'YYYYMMDD'), day, day + 1);
        made := made + 1;
    END LOOP;
    FOR part IN SELECT c.oid::regclass AS name FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
        WHERE h.inhparent = 'public.access_ledger'::regclass AND c.relname ~ '^access_ledger_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= (now() AT TIME ZONE 'UTC')::date - keep LOOP
        EXECUTE format('DROP TABLE %s', part.name);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM public.access_ledger_rest r WHERE r.ctid = ANY (ARRAY(SELECT o.ctid FROM public.access_ledger_rest o WHERE o.at < now() - make_interval(days => keep) LIMIT 10000));
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sec.turn_access_ledger(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sec.turn_access_ledger(integer, integer) TO postern_platform;

-- +goose Down
DROP FUNCTION sec.turn_access_ledger(integer, integer);
DROP TABLE access_ledger;
