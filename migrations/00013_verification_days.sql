-- The verification log in parts of a day each, so that a filter reads only the days it asks for and old days go away at once, without a
-- long DELETE.
--
-- The runtime roles may add to the log and never take away from it. So one function, with its owner's rights, makes the coming days and
-- drops those that are past their time; it refuses to keep less than 30 days, whoever calls it.

-- +goose Up
CREATE INDEX verifications_by_source ON verifications (source, at DESC, id DESC);
CREATE INDEX verification_counts_of_tenant ON verification_counts (tenant_id, minute DESC);
CREATE INDEX verification_counts_of_application ON verification_counts (application_id, minute DESC);

-- +goose StatementBegin
CREATE FUNCTION sec.turn_verifications(keep integer, ahead integer, OUT made integer, OUT dropped integer) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
    day date;
    part record;
BEGIN
    IF keep < 30 OR ahead NOT BETWEEN 0 AND 60 THEN
        RAISE EXCEPTION 'the verification log is kept for 30 days at least' USING ERRCODE = '22023';
    END IF;
    made := 0;
    dropped := 0;
    PERFORM pg_advisory_xact_lock(hashtext('postern verification days'));
    FOR i IN 0..ahead LOOP
        day := (now() AT TIME ZONE 'UTC')::date + i;
        -- A day that has begun in the rest stays there.
        CONTINUE WHEN to_regclass('public.verifications_' || to_char(day, 'YYYYMMDD')) IS NOT NULL
            OR EXISTS (SELECT FROM public.verifications_rest r WHERE r.at >= day AND r.at < day + 1);
        EXECUTE format('CREATE TABLE public.%I PARTITION OF public.verifications FOR VALUES FROM (%L) TO (%L)', 'verifications_' || to_char(day, 'YYYYMMDD'), day, day + 1);
        made := made + 1;
    END LOOP;
    FOR part IN SELECT c.oid::regclass AS name FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
        WHERE h.inhparent = 'public.verifications'::regclass AND c.relname ~ '^verifications_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= (now() AT TIME ZONE 'UTC')::date - keep LOOP
        EXECUTE format('DROP TABLE %s', part.name);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM public.verifications_rest r WHERE r.ctid = ANY (ARRAY(SELECT o.ctid FROM public.verifications_rest o WHERE o.at < now() - make_interval(days => keep) LIMIT 10000));
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sec.turn_verifications(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sec.turn_verifications(integer, integer) TO postern_platform;

-- +goose Down
DROP FUNCTION sec.turn_verifications(integer, integer);
DROP INDEX verification_counts_of_application, verification_counts_of_tenant, verifications_by_source;
