--
-- PostgreSQL database dump
--



SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: sec; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA sec;


--
-- Name: audit_is_erased(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_is_erased() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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


--
-- Name: audit_is_final(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_is_final() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are never changed or removed' USING ERRCODE = '42501';
END $$;


--
-- Name: audit_note(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.audit_note() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO public.audit_pending (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;


--
-- Name: grants_transition(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.grants_transition() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.status <> OLD.status AND NOT (OLD.status || '>' || NEW.status) = ANY (ARRAY[
        'pending>valid', 'pending>revoked', 'valid>invalid', 'valid>revoked', 'invalid>valid', 'invalid>revoked',
        'revoked>valid', 'revoked>pending']) THEN
        RAISE EXCEPTION 'a grant cannot go from % to %', OLD.status, NEW.status USING ERRCODE = '23514';
    END IF;
    IF NEW.status <> OLD.status AND NEW.status_at = OLD.status_at AND NEW.status_reason = OLD.status_reason THEN
        RAISE EXCEPTION 'a change of status needs its time and its cause' USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;


--
-- Name: tenant_is_open(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.tenant_is_open() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.tenant_id IS NOT NULL AND sec.tenant_closed(NEW.tenant_id) THEN
        RAISE EXCEPTION 'the tenant''s door is closed' USING ERRCODE = 'PO001';
    END IF;
    RETURN NEW;
END $$;


--
-- Name: tenant_may_move(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.tenant_may_move() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('postern tenant ' || NEW.id::text, 0));
    IF EXISTS (SELECT FROM grants g WHERE g.tenant_id = NEW.id AND g.status <> 'revoked') THEN
        RAISE EXCEPTION 'the organisation still has mailboxes connected here: revoke them before it moves to another region' USING ERRCODE = 'PO002';
    END IF;
    RETURN NEW;
END $$;


--
-- Name: application(); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.application() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ BEGIN RETURN sec.scoped('application'); END $$;


--
-- Name: find_flow(uuid); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.find_flow(flow uuid, OUT tenant uuid) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$ SELECT f.tenant_id FROM public.connect_flows f WHERE f.id = flow $$;


--
-- Name: find_flow_by_code(bytea); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.find_flow_by_code(presented bytea, OUT tenant uuid, OUT id uuid) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$ SELECT f.tenant_id, f.id FROM public.connect_flows f WHERE f.code_hash = presented $$;


--
-- Name: find_flow_by_state(bytea); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.find_flow_by_state(presented bytea, OUT tenant uuid, OUT id uuid) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$ SELECT f.tenant_id, f.id FROM public.connect_flows f WHERE f.state_hash = presented $$;


--
-- Name: find_grant(uuid, uuid); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.find_grant(grant_id uuid, application uuid, OUT tenant uuid) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$ SELECT g.tenant_id FROM public.grants g WHERE g.id = grant_id AND g.application_id = application $$;


--
-- Name: find_key(bytea); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.find_key(presented bytea, OUT application uuid, OUT id uuid) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$ SELECT k.application_id, k.id FROM public.api_keys k WHERE k.hash = presented $$;


--
-- Name: find_link(bytea); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.find_link(presented bytea, OUT tenant uuid, OUT id uuid) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$ SELECT l.tenant_id, l.id FROM public.connect_links l WHERE l.token_hash = presented $$;


--
-- Name: find_token(bytea); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.find_token(presented bytea, OUT tenant uuid, OUT id uuid) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$ SELECT t.tenant_id, t.id FROM public.issued_tokens t WHERE t.hash = presented $$;


--
-- Name: scope(); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.scope(OUT kind text, OUT id uuid) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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


--
-- Name: scoped(text); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.scoped(want text) RETURNS uuid
    LANGUAGE plpgsql STABLE
    AS $$
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


--
-- Name: tenant(); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.tenant() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ BEGIN RETURN sec.scoped('tenant'); END $$;


--
-- Name: tenant_closed(uuid); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.tenant_closed(tenant uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('postern tenant ' || tenant::text, 0));
    RETURN EXISTS (SELECT FROM public.tenants t WHERE t.id = tenant AND (t.state <> 'active' OR t.region <> (SELECT i.region FROM public.instance i)));
END $$;


--
-- Name: turn_access_ledger(integer, integer); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.turn_access_ledger(keep integer, ahead integer, OUT made integer, OUT dropped integer) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET lock_timeout TO '2s'
    SET "TimeZone" TO 'UTC'
    AS $_$
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
END $_$;


--
-- Name: turn_verifications(integer, integer); Type: FUNCTION; Schema: sec; Owner: -
--

CREATE FUNCTION sec.turn_verifications(keep integer, ahead integer, OUT made integer, OUT dropped integer) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET lock_timeout TO '2s'
    SET "TimeZone" TO 'UTC'
    AS $_$
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
END $_$;


SET default_tablespace = '';

--
-- Name: access_ledger; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.access_ledger (
    at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor text NOT NULL,
    operation text NOT NULL,
    outcome text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    request_id text DEFAULT ''::text NOT NULL,
    CONSTRAINT access_ledger_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['key'::text, 'token'::text])))
)
PARTITION BY RANGE (at);

ALTER TABLE ONLY public.access_ledger FORCE ROW LEVEL SECURITY;


SET default_table_access_method = heap;

--
-- Name: access_ledger_rest; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.access_ledger_rest (
    at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor text NOT NULL,
    operation text NOT NULL,
    outcome text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    request_id text DEFAULT ''::text NOT NULL,
    CONSTRAINT access_ledger_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['key'::text, 'token'::text])))
);


--
-- Name: api_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_keys (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid,
    name text NOT NULL,
    prefix text NOT NULL,
    hash bytea NOT NULL,
    permissions text[] DEFAULT '{}'::text[] NOT NULL,
    addresses text[] DEFAULT '{}'::text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);

ALTER TABLE ONLY public.api_keys FORCE ROW LEVEL SECURITY;


--
-- Name: applications; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.applications (
    id uuid NOT NULL,
    name text NOT NULL,
    environment text DEFAULT 'production'::text NOT NULL,
    default_tenant_id uuid,
    branding jsonb DEFAULT '{}'::jsonb NOT NULL,
    hosted_auth jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT applications_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);

ALTER TABLE ONLY public.applications FORCE ROW LEVEL SECURITY;


--
-- Name: attempts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attempts (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number integer NOT NULL,
    generations integer[] DEFAULT '{}'::integer[] NOT NULL,
    request jsonb DEFAULT '{}'::jsonb NOT NULL,
    status integer DEFAULT 0 NOT NULL,
    response text DEFAULT ''::text NOT NULL,
    problem text DEFAULT ''::text NOT NULL,
    latency_ms integer DEFAULT 0 NOT NULL,
    started_at timestamp with time zone NOT NULL,
    CONSTRAINT attempts_number_check CHECK ((number > 0))
);

ALTER TABLE ONLY public.attempts FORCE ROW LEVEL SECURITY;


--
-- Name: audit_entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_entries (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    tenant_id uuid,
    application_id uuid,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    object_kind text NOT NULL,
    object_id text NOT NULL,
    object text NOT NULL,
    outcome text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    request_id text DEFAULT ''::text NOT NULL,
    salt bytea DEFAULT sha256(convert_to(((gen_random_uuid())::text || (gen_random_uuid())::text), 'UTF8'::name)) NOT NULL,
    erased jsonb DEFAULT '{}'::jsonb NOT NULL,
    salts jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_entries_action_check CHECK ((action ~ '^[a-z_]+\.[a-z_]+$'::text)),
    CONSTRAINT audit_entries_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'refused'::text, 'failed'::text])))
);

ALTER TABLE ONLY public.audit_entries FORCE ROW LEVEL SECURITY;


--
-- Name: audit_hashes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_hashes (
    index bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_hashes_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT audit_hashes_index_check CHECK ((index >= 0))
);


--
-- Name: audit_leaves; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_leaves (
    index bigint NOT NULL,
    entry_id uuid NOT NULL,
    hash bytea NOT NULL,
    version smallint DEFAULT 1 NOT NULL,
    CONSTRAINT audit_leaves_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT audit_leaves_index_check CHECK ((index >= 0)),
    CONSTRAINT audit_leaves_version_check CHECK ((version = ANY (ARRAY[1, 2])))
);


--
-- Name: audit_pending; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_pending (
    place bigint NOT NULL,
    entry_id uuid NOT NULL
);


--
-- Name: audit_pending_place_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.audit_pending ALTER COLUMN place ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_pending_place_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: batch_items; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.batch_items (
    tenant_id uuid NOT NULL,
    batch_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    place integer NOT NULL,
    email text NOT NULL,
    provider text NOT NULL,
    outcome text DEFAULT ''::text NOT NULL,
    severance_id uuid,
    attempts integer DEFAULT 0 NOT NULL,
    done_at timestamp with time zone,
    CONSTRAINT batch_items_check CHECK (((outcome = ''::text) = (done_at IS NULL))),
    CONSTRAINT batch_items_outcome_check CHECK ((outcome = ANY (ARRAY[''::text, 'cut'::text, 'already'::text, 'gone'::text, 'offboarding'::text])))
);

ALTER TABLE ONLY public.batch_items FORCE ROW LEVEL SECURITY;


--
-- Name: batches; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.batches (
    id uuid NOT NULL,
    tenant_id uuid,
    act text NOT NULL,
    reach text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    requested_by text NOT NULL,
    requested_by_id text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    total integer NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT batches_act_check CHECK ((act = ANY (ARRAY['revoke'::text, 'delete'::text]))),
    CONSTRAINT batches_reach_check CHECK ((reach = ANY (ARRAY['everywhere'::text, 'here'::text]))),
    CONSTRAINT batches_total_check CHECK ((total > 0))
);

ALTER TABLE ONLY public.batches FORCE ROW LEVEL SECURITY;


--
-- Name: callback_uris; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.callback_uris (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    url text NOT NULL,
    platform text DEFAULT 'web'::text NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT callback_uris_platform_check CHECK ((platform = ANY (ARRAY['web'::text, 'desktop'::text, 'js'::text, 'ios'::text, 'android'::text]))),
    CONSTRAINT callback_uris_url_check CHECK (((length(url) >= 1) AND (length(url) <= 2000)))
);

ALTER TABLE ONLY public.callback_uris FORCE ROW LEVEL SECURITY;


--
-- Name: capability_uses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.capability_uses (
    tenant_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    capability text NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.capability_uses FORCE ROW LEVEL SECURITY;


--
-- Name: checkpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.checkpoints (
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT checkpoints_root_check CHECK ((length(root) = 32)),
    CONSTRAINT checkpoints_size_check CHECK ((size > 0))
);


--
-- Name: connect_flows; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.connect_flows (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    link_id uuid,
    grant_id uuid,
    provider text DEFAULT ''::text NOT NULL,
    providers text[] DEFAULT '{}'::text[] NOT NULL,
    expected_email text DEFAULT ''::text NOT NULL,
    login_hint text DEFAULT ''::text NOT NULL,
    scopes_requested text[] DEFAULT '{}'::text[] NOT NULL,
    capabilities text[] DEFAULT '{}'::text[] NOT NULL,
    redirect_uri text DEFAULT ''::text NOT NULL,
    platform text DEFAULT 'web'::text NOT NULL,
    client_state text DEFAULT ''::text NOT NULL,
    challenge text DEFAULT ''::text NOT NULL,
    challenge_method text DEFAULT ''::text NOT NULL,
    offline boolean DEFAULT false NOT NULL,
    prompt text DEFAULT ''::text NOT NULL,
    browser_hash bytea,
    state_hash bytea,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    spent_at timestamp with time zone,
    outcome text DEFAULT ''::text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    email text DEFAULT ''::text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    login text DEFAULT ''::text NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    scopes_granted text[] DEFAULT '{}'::text[] NOT NULL,
    code_hash bytea,
    code_expires_at timestamp with time zone,
    code_spent_at timestamp with time zone,
    address text DEFAULT ''::text NOT NULL,
    user_agent text DEFAULT ''::text NOT NULL,
    credential_id uuid,
    response_type text DEFAULT 'code'::text NOT NULL,
    CONSTRAINT connect_flows_browser_hash_check CHECK ((length(browser_hash) = 32)),
    CONSTRAINT connect_flows_challenge_method_check CHECK ((challenge_method = ANY (ARRAY[''::text, 'plain'::text, 's256'::text]))),
    CONSTRAINT connect_flows_code_hash_check CHECK ((length(code_hash) = 32)),
    CONSTRAINT connect_flows_response_type_check CHECK ((response_type = ANY (ARRAY['code'::text, 'adminconsent'::text]))),
    CONSTRAINT connect_flows_state_hash_check CHECK ((length(state_hash) = 32))
);

ALTER TABLE ONLY public.connect_flows FORCE ROW LEVEL SECURITY;


--
-- Name: connect_links; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.connect_links (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    provider text DEFAULT ''::text NOT NULL,
    capabilities text[] NOT NULL,
    expected_email text DEFAULT ''::text NOT NULL,
    language text DEFAULT 'en'::text NOT NULL,
    grant_id uuid,
    created_by text NOT NULL,
    created_by_id text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT connect_links_token_hash_check CHECK ((length(token_hash) = 32))
);

ALTER TABLE ONLY public.connect_links FORCE ROW LEVEL SECURITY;


--
-- Name: connectors; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.connectors (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    provider text NOT NULL,
    name text NOT NULL,
    client_id text DEFAULT ''::text NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    scopes text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    secret_at timestamp with time zone,
    secret_ends_at timestamp with time zone,
    secret_before_at timestamp with time zone,
    checked_at timestamp with time zone,
    check_outcome text DEFAULT ''::text NOT NULL,
    check_before text DEFAULT ''::text NOT NULL,
    CONSTRAINT connectors_check_before_check CHECK ((check_before = ANY (ARRAY[''::text, 'accepted'::text, 'refused'::text, 'no_answer'::text]))),
    CONSTRAINT connectors_check_outcome_check CHECK ((check_outcome = ANY (ARRAY[''::text, 'accepted'::text, 'refused'::text, 'no_answer'::text]))),
    CONSTRAINT connectors_provider_check CHECK ((provider ~ '^[a-z][a-z-]{1,30}$'::text))
);

ALTER TABLE ONLY public.connectors FORCE ROW LEVEL SECURITY;


--
-- Name: credentials; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.credentials (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    provider text NOT NULL,
    tenant_id uuid,
    name text NOT NULL,
    client_id text NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    type text DEFAULT 'connector'::text NOT NULL,
    CONSTRAINT credentials_client_id_check CHECK ((client_id <> ''::text)),
    CONSTRAINT credentials_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT credentials_type_check CHECK ((type = ANY (ARRAY['connector'::text, 'serviceaccount'::text])))
);

ALTER TABLE ONLY public.credentials FORCE ROW LEVEL SECURITY;


--
-- Name: data_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.data_keys (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kek_id text NOT NULL,
    wrapped bytea,
    created_at timestamp with time zone NOT NULL,
    destroyed_at timestamp with time zone,
    key_id bigint DEFAULT 0 NOT NULL,
    rotated_at timestamp with time zone,
    settled_at timestamp with time zone,
    CONSTRAINT data_keys_check CHECK (((wrapped IS NULL) = (destroyed_at IS NOT NULL)))
);

ALTER TABLE ONLY public.data_keys FORCE ROW LEVEL SECURITY;


--
-- Name: deliveries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.deliveries (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    tenant_id uuid,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    status text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone,
    last_status integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    settled_at timestamp with time zone,
    CONSTRAINT deliveries_status_check CHECK ((status = ANY (ARRAY['waiting'::text, 'delivered'::text, 'failed'::text, 'dropped'::text])))
);

ALTER TABLE ONLY public.deliveries FORCE ROW LEVEL SECURITY;


--
-- Name: delivery_hours; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.delivery_hours (
    application_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    hour timestamp with time zone NOT NULL,
    outcome text NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT delivery_hours_count_check CHECK ((count > 0)),
    CONSTRAINT delivery_hours_outcome_check CHECK ((outcome = ANY (ARRAY['delivered'::text, 'waiting'::text, 'failed'::text, 'dropped'::text])))
)
WITH (fillfactor='50');

ALTER TABLE ONLY public.delivery_hours FORCE ROW LEVEL SECURITY;


--
-- Name: egress_hosts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.egress_hosts (
    purpose text NOT NULL,
    host text NOT NULL,
    port integer NOT NULL,
    connected bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone,
    seen_by text DEFAULT ''::text NOT NULL,
    CONSTRAINT egress_hosts_host_check CHECK ((length(host) <= 253)),
    CONSTRAINT egress_hosts_port_check CHECK (((port >= 0) AND (port <= 65535)))
);


--
-- Name: event_queue; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.event_queue (
    place bigint NOT NULL,
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');

ALTER TABLE ONLY public.event_queue FORCE ROW LEVEL SECURITY;


--
-- Name: event_queue_place_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.event_queue ALTER COLUMN place ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.event_queue_place_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.events (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id uuid,
    type text NOT NULL,
    source text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    digest bytea DEFAULT '\x'::bytea NOT NULL
);

ALTER TABLE ONLY public.events FORCE ROW LEVEL SECURITY;


--
-- Name: evidence_contents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.evidence_contents (
    pack_id uuid NOT NULL,
    tenant_id uuid,
    content bytea NOT NULL
);

ALTER TABLE ONLY public.evidence_contents FORCE ROW LEVEL SECURITY;


--
-- Name: evidence_documents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.evidence_documents (
    id uuid NOT NULL,
    requirement text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    digest bytea NOT NULL,
    size bigint NOT NULL,
    expires_at timestamp with time zone,
    added_by text NOT NULL,
    added_at timestamp with time zone NOT NULL,
    removed_at timestamp with time zone,
    CONSTRAINT evidence_documents_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT evidence_documents_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT evidence_documents_size_check CHECK ((size > 0))
);


--
-- Name: evidence_packs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.evidence_packs (
    id uuid NOT NULL,
    tenant_id uuid,
    requested_by text NOT NULL,
    masked boolean NOT NULL,
    state text NOT NULL,
    step integer DEFAULT 0 NOT NULL,
    steps integer NOT NULL,
    problem text DEFAULT ''::text NOT NULL,
    digest bytea,
    size bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT evidence_packs_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'ready'::text, 'failed'::text, 'destroyed'::text])))
);

ALTER TABLE ONLY public.evidence_packs FORCE ROW LEVEL SECURITY;


--
-- Name: grants; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.grants (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    provider text NOT NULL,
    subject text NOT NULL,
    email text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    login text DEFAULT ''::text NOT NULL,
    status text NOT NULL,
    status_reason text NOT NULL,
    status_detail text DEFAULT ''::text NOT NULL,
    status_at timestamp with time zone NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    scopes_requested text[] DEFAULT '{}'::text[] NOT NULL,
    scopes_granted text[] DEFAULT '{}'::text[] NOT NULL,
    state text DEFAULT ''::text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    user_agent text DEFAULT ''::text NOT NULL,
    credential integer DEFAULT 0 NOT NULL,
    refused_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    authenticated_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    credential_id uuid,
    challenged_at timestamp with time zone,
    challenged_credential integer DEFAULT 0 NOT NULL,
    CONSTRAINT grants_check CHECK (((status = 'revoked'::text) = (revoked_at IS NOT NULL))),
    CONSTRAINT grants_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'valid'::text, 'invalid'::text, 'revoked'::text]))),
    CONSTRAINT grants_subject_check CHECK (((length(subject) >= 1) AND (length(subject) <= 500)))
);

ALTER TABLE ONLY public.grants FORCE ROW LEVEL SECURITY;


--
-- Name: guest_passes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.guest_passes (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    last_seen_at timestamp with time zone,
    views bigint DEFAULT 0 NOT NULL,
    CONSTRAINT guest_passes_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT guest_passes_token_hash_check CHECK ((length(token_hash) = 32))
);

ALTER TABLE ONLY public.guest_passes FORCE ROW LEVEL SECURITY;


--
-- Name: guest_views; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.guest_views (
    tenant_id uuid NOT NULL,
    pass_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    path text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    user_agent text DEFAULT ''::text NOT NULL,
    CONSTRAINT guest_views_path_check CHECK ((length(path) <= 500))
);

ALTER TABLE ONLY public.guest_views FORCE ROW LEVEL SECURITY;


--
-- Name: inbound_endpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.inbound_endpoints (
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    tenant_id uuid,
    name text NOT NULL,
    kind text NOT NULL,
    webhook_id uuid,
    addresses text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    window_until timestamp with time zone,
    paused_at timestamp with time zone,
    CONSTRAINT inbound_endpoints_kind_check CHECK ((kind = ANY (ARRAY['self'::text, 'v3'::text, 'standard'::text])))
);

ALTER TABLE ONLY public.inbound_endpoints FORCE ROW LEVEL SECURITY;


--
-- Name: inbound_secrets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.inbound_secrets (
    endpoint_id uuid NOT NULL,
    id uuid NOT NULL,
    generation integer NOT NULL,
    staged boolean DEFAULT false NOT NULL,
    overlap_seconds integer DEFAULT 0 NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_until timestamp with time zone,
    last_accepted_at timestamp with time zone,
    CONSTRAINT inbound_secrets_generation_check CHECK ((generation > 0)),
    CONSTRAINT inbound_secrets_overlap_seconds_check CHECK (((overlap_seconds >= 0) AND (overlap_seconds <= 604800)))
);


--
-- Name: inbound_seen; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.inbound_seen (
    endpoint_id uuid NOT NULL,
    event_id text NOT NULL,
    seen_at timestamp with time zone NOT NULL
);


--
-- Name: instance; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.instance (
    only_row boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    region text NOT NULL,
    kek_id text NOT NULL,
    wrapped_secret bytea NOT NULL,
    canary bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT instance_only_row_check CHECK (only_row),
    CONSTRAINT instance_region_check CHECK ((region = ANY (ARRAY['us'::text, 'eu'::text])))
);


--
-- Name: invites; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.invites (
    token_hash bytea NOT NULL,
    member_id uuid NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT invites_token_hash_check CHECK ((length(token_hash) = 32))
);


--
-- Name: issued_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.issued_tokens (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    family_id uuid NOT NULL,
    kind text NOT NULL,
    hash bytea NOT NULL,
    scopes text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    permissions text[] DEFAULT '{}'::text[] NOT NULL,
    addresses text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT issued_tokens_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT issued_tokens_kind_check CHECK ((kind = ANY (ARRAY['access'::text, 'refresh'::text])))
);

ALTER TABLE ONLY public.issued_tokens FORCE ROW LEVEL SECURITY;


--
-- Name: key_counts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.key_counts (
    tenant_id uuid NOT NULL,
    key_since timestamp with time zone,
    kek_id text DEFAULT ''::text NOT NULL,
    sealed bigint NOT NULL,
    current bigint NOT NULL,
    counted_at timestamp with time zone NOT NULL,
    CONSTRAINT key_counts_check CHECK (((current >= 0) AND (current <= sealed)))
);

ALTER TABLE ONLY public.key_counts FORCE ROW LEVEL SECURITY;


--
-- Name: key_rotations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.key_rotations (
    id uuid NOT NULL,
    started_by text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    tenants integer DEFAULT 0 NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    wrapped bigint DEFAULT 0 NOT NULL,
    resealed bigint DEFAULT 0 NOT NULL
);


--
-- Name: known_signatures; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.known_signatures (
    digest bytea NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT known_signatures_digest_check CHECK ((length(digest) = 32))
);


--
-- Name: members; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.members (
    id uuid NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    user_handle bytea NOT NULL,
    session_epoch integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT members_email_check CHECK (((length(email) >= 3) AND (length(email) <= 320))),
    CONSTRAINT members_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT members_user_handle_check CHECK ((length(user_handle) = 32))
);


--
-- Name: memberships; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.memberships (
    id uuid NOT NULL,
    member_id uuid NOT NULL,
    role text NOT NULL,
    tenant_id uuid,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT memberships_check CHECK (((role = ANY (ARRAY['customer'::text, 'reviewer'::text])) OR (tenant_id IS NULL))),
    CONSTRAINT memberships_check1 CHECK (((role <> 'customer'::text) OR (tenant_id IS NOT NULL))),
    CONSTRAINT memberships_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'support'::text, 'reviewer'::text, 'customer'::text])))
);

ALTER TABLE ONLY public.memberships FORCE ROW LEVEL SECURITY;


--
-- Name: offboarding_steps; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.offboarding_steps (
    tenant_id uuid NOT NULL,
    offboarding_id uuid NOT NULL,
    name text NOT NULL,
    place integer NOT NULL,
    total integer DEFAULT 0 NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone
);

ALTER TABLE ONLY public.offboarding_steps FORCE ROW LEVEL SECURITY;


--
-- Name: offboardings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.offboardings (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    state text NOT NULL,
    plan jsonb NOT NULL,
    plan_hash bytea NOT NULL,
    reason text NOT NULL,
    ticket text DEFAULT ''::text NOT NULL,
    wait_seconds integer NOT NULL,
    start_at timestamp with time zone,
    requested_by text NOT NULL,
    requested_by_id text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    approved_by text DEFAULT ''::text NOT NULL,
    approved_by_id text DEFAULT ''::text NOT NULL,
    approved_at timestamp with time zone,
    started_at timestamp with time zone,
    deadline_at timestamp with time zone,
    beat_at timestamp with time zone,
    ended_at timestamp with time zone,
    ended_by text DEFAULT ''::text NOT NULL,
    certificate jsonb,
    entry_id uuid,
    CONSTRAINT offboardings_check CHECK ((approved_by_id <> requested_by_id)),
    CONSTRAINT offboardings_check1 CHECK (((state = ANY (ARRAY['planned'::text, 'withdrawn'::text, 'stale'::text])) OR (approved_at IS NOT NULL))),
    CONSTRAINT offboardings_check2 CHECK (((state = ANY (ARRAY['running'::text, 'done'::text])) = (started_at IS NOT NULL))),
    CONSTRAINT offboardings_check3 CHECK (((state = 'done'::text) = (certificate IS NOT NULL))),
    CONSTRAINT offboardings_plan_hash_check CHECK ((length(plan_hash) = 32)),
    CONSTRAINT offboardings_state_check CHECK ((state = ANY (ARRAY['planned'::text, 'approved'::text, 'running'::text, 'done'::text, 'withdrawn'::text, 'stale'::text]))),
    CONSTRAINT offboardings_wait_seconds_check CHECK (((wait_seconds >= 0) AND (wait_seconds <= 259200)))
);

ALTER TABLE ONLY public.offboardings FORCE ROW LEVEL SECURITY;


--
-- Name: passkeys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.passkeys (
    id uuid NOT NULL,
    member_id uuid NOT NULL,
    credential_id bytea NOT NULL,
    credential jsonb NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone
);


--
-- Name: receipts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.receipts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    severance_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    email text NOT NULL,
    provider text NOT NULL,
    outcome text NOT NULL,
    body jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    entry_id uuid
);

ALTER TABLE ONLY public.receipts FORCE ROW LEVEL SECURITY;


--
-- Name: refresh_leases; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.refresh_leases (
    tenant_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    holder text NOT NULL,
    credential integer NOT NULL,
    until timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.refresh_leases FORCE ROW LEVEL SECURITY;


--
-- Name: replays; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.replays (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    which text NOT NULL,
    since timestamp with time zone NOT NULL,
    actor text NOT NULL,
    total integer NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    stopped text DEFAULT ''::text NOT NULL,
    CONSTRAINT replays_which_check CHECK ((which = ANY (ARRAY['failed'::text, 'never_attempted'::text])))
);

ALTER TABLE ONLY public.replays FORCE ROW LEVEL SECURITY;


--
-- Name: schedules; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schedules (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    send_at timestamp with time zone NOT NULL,
    status text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    message_id text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    taken_at timestamp with time zone,
    closed_at timestamp with time zone,
    CONSTRAINT schedules_check CHECK (((closed_at IS NULL) = (status = ANY (ARRAY['pending'::text, 'sending'::text])))),
    CONSTRAINT schedules_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'sending'::text, 'sent'::text, 'failed'::text, 'unknown'::text, 'cancelled'::text])))
);

ALTER TABLE ONLY public.schedules FORCE ROW LEVEL SECURITY;


--
-- Name: sealed; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sealed (
    tenant_id uuid NOT NULL,
    owner_kind text NOT NULL,
    owner_id uuid NOT NULL,
    field text NOT NULL,
    version integer NOT NULL,
    ciphertext bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    key_id bigint GENERATED ALWAYS AS (
CASE
    WHEN (length(ciphertext) < 5) THEN (0)::bigint
    ELSE (((((get_byte(ciphertext, 1))::bigint * 16777216) + (get_byte(ciphertext, 2) * 65536)) + (get_byte(ciphertext, 3) * 256)) + get_byte(ciphertext, 4))
END) STORED NOT NULL,
    CONSTRAINT sealed_version_check CHECK ((version > 0))
);

ALTER TABLE ONLY public.sealed FORCE ROW LEVEL SECURITY;


--
-- Name: sends_once; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sends_once (
    tenant_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    message_id text DEFAULT ''::text NOT NULL,
    thread_id text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sends_once_key_hash_check CHECK ((length(key_hash) = 32)),
    CONSTRAINT sends_once_request_hash_check CHECK ((length(request_hash) = 32)),
    CONSTRAINT sends_once_state_check CHECK ((state = ANY (ARRAY['running'::text, 'sent'::text, 'unknown'::text])))
);

ALTER TABLE ONLY public.sends_once FORCE ROW LEVEL SECURITY;


--
-- Name: service_accounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.service_accounts (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    public_key bytea NOT NULL,
    permissions text[] NOT NULL,
    addresses text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT service_accounts_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);

ALTER TABLE ONLY public.service_accounts FORCE ROW LEVEL SECURITY;


--
-- Name: service_nonces; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.service_nonces (
    account_id uuid NOT NULL,
    nonce_hash bytea NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    CONSTRAINT service_nonces_nonce_hash_check CHECK ((length(nonce_hash) = 32))
);

ALTER TABLE ONLY public.service_nonces FORCE ROW LEVEL SECURITY;


--
-- Name: sessions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sessions (
    id_hash bytea NOT NULL,
    member_id uuid,
    epoch integer DEFAULT 0 NOT NULL,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    user_agent text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    pass_id uuid,
    CONSTRAINT sessions_id_hash_check CHECK ((length(id_hash) = 32))
);


--
-- Name: severances; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.severances (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    act text NOT NULL,
    provider text NOT NULL,
    subject text NOT NULL,
    email text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    actor text NOT NULL,
    actor_id text NOT NULL,
    cut_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_try_at timestamp with time zone,
    last_answer text DEFAULT ''::text NOT NULL,
    outcome text DEFAULT ''::text NOT NULL,
    destroyed_at timestamp with time zone,
    closed_at timestamp with time zone,
    reach text DEFAULT 'everywhere'::text NOT NULL,
    confirmed_at timestamp with time zone,
    confirmed_by text DEFAULT ''::text NOT NULL,
    confirmed_by_id text DEFAULT ''::text NOT NULL,
    confirmed_note text DEFAULT ''::text NOT NULL,
    credential_id uuid,
    offboarding_id uuid,
    pushed boolean DEFAULT false NOT NULL,
    delegated boolean DEFAULT false NOT NULL,
    CONSTRAINT severances_act_check CHECK ((act = ANY (ARRAY['revoke'::text, 'delete'::text]))),
    CONSTRAINT severances_check CHECK (((outcome = ''::text) = (closed_at IS NULL))),
    CONSTRAINT severances_outcome_check CHECK ((outcome = ANY (ARRAY[''::text, 'severed-verified'::text, 'severed-at-provider'::text, 'deleted-here-only'::text, 'user-action-needed'::text]))),
    CONSTRAINT severances_reach_check CHECK ((reach = ANY (ARRAY['everywhere'::text, 'here'::text])))
);

ALTER TABLE ONLY public.severances FORCE ROW LEVEL SECURITY;


--
-- Name: tenants; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tenants (
    id uuid NOT NULL,
    name text NOT NULL,
    region text NOT NULL,
    state text DEFAULT 'active'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT tenants_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT tenants_region_check CHECK ((region = ANY (ARRAY['us'::text, 'eu'::text]))),
    CONSTRAINT tenants_state_check CHECK ((state = ANY (ARRAY['active'::text, 'offboarding'::text, 'offboarded'::text])))
);

ALTER TABLE ONLY public.tenants FORCE ROW LEVEL SECURITY;


--
-- Name: token_families; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.token_families (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    flow_id uuid,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    revoked_reason text DEFAULT ''::text NOT NULL
);

ALTER TABLE ONLY public.token_families FORCE ROW LEVEL SECURITY;


--
-- Name: verification_counts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.verification_counts (
    minute timestamp with time zone NOT NULL,
    endpoint_id uuid NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    application_id uuid,
    tenant_id uuid,
    webhook_id uuid,
    count bigint NOT NULL,
    last_at timestamp with time zone NOT NULL,
    CONSTRAINT verification_counts_count_check CHECK ((count > 0))
);

ALTER TABLE ONLY public.verification_counts FORCE ROW LEVEL SECURITY;


--
-- Name: verification_hours; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.verification_hours (
    hour timestamp with time zone NOT NULL,
    shard smallint NOT NULL,
    key bytea NOT NULL,
    total boolean NOT NULL,
    application_id uuid,
    tenant_id uuid,
    endpoint_id uuid,
    webhook_id uuid,
    source text NOT NULL,
    event_type text NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT verification_hours_count_check CHECK ((count > 0))
)
WITH (fillfactor='50');

ALTER TABLE ONLY public.verification_hours FORCE ROW LEVEL SECURITY;


--
-- Name: verifications; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.verifications (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    tenant_id uuid,
    application_id uuid,
    endpoint_id uuid,
    source text NOT NULL,
    webhook_id uuid,
    event_id text DEFAULT ''::text NOT NULL,
    event_type text DEFAULT ''::text NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    generation integer DEFAULT 0 NOT NULL,
    representation text DEFAULT ''::text NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    digest bytea DEFAULT '\x'::bytea NOT NULL,
    skew_ms bigint DEFAULT 0 NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    listed boolean,
    latency_us integer DEFAULT 0 NOT NULL,
    CONSTRAINT verifications_representation_check CHECK ((representation = ANY (ARRAY[''::text, 'raw'::text, 'gzip'::text]))),
    CONSTRAINT verifications_verdict_check CHECK ((verdict = ANY (ARRAY['accepted'::text, 'refused'::text])))
)
PARTITION BY RANGE (at);

ALTER TABLE ONLY public.verifications FORCE ROW LEVEL SECURITY;


--
-- Name: verifications_rest; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.verifications_rest (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    tenant_id uuid,
    application_id uuid,
    endpoint_id uuid,
    source text NOT NULL,
    webhook_id uuid,
    event_id text DEFAULT ''::text NOT NULL,
    event_type text DEFAULT ''::text NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    generation integer DEFAULT 0 NOT NULL,
    representation text DEFAULT ''::text NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    digest bytea DEFAULT '\x'::bytea NOT NULL,
    skew_ms bigint DEFAULT 0 NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    listed boolean,
    latency_us integer DEFAULT 0 NOT NULL,
    CONSTRAINT verifications_representation_check CHECK ((representation = ANY (ARRAY[''::text, 'raw'::text, 'gzip'::text]))),
    CONSTRAINT verifications_verdict_check CHECK ((verdict = ANY (ARRAY['accepted'::text, 'refused'::text])))
);


--
-- Name: watch_keepers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.watch_keepers (
    id uuid NOT NULL,
    until timestamp with time zone NOT NULL
);


--
-- Name: watches; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.watches (
    tenant_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    application_id uuid NOT NULL,
    holder uuid,
    fence bigint DEFAULT 0 NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    pokes bigint DEFAULT 0 NOT NULL,
    since timestamp with time zone NOT NULL,
    lapses bigint DEFAULT 0 NOT NULL
);

ALTER TABLE ONLY public.watches FORCE ROW LEVEL SECURITY;


--
-- Name: webhook_health; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_health (
    application_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    failing_since timestamp with time zone,
    last_success_at timestamp with time zone,
    last_failure_at timestamp with time zone
);

ALTER TABLE ONLY public.webhook_health FORCE ROW LEVEL SECURITY;


--
-- Name: webhook_lanes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_lanes (
    webhook_id uuid NOT NULL,
    holder uuid NOT NULL,
    until timestamp with time zone NOT NULL
);


--
-- Name: webhook_secrets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_secrets (
    application_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    id uuid NOT NULL,
    generation integer NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_until timestamp with time zone,
    last_accepted_at timestamp with time zone,
    CONSTRAINT webhook_secrets_generation_check CHECK ((generation > 0))
);

ALTER TABLE ONLY public.webhook_secrets FORCE ROW LEVEL SECURITY;


--
-- Name: webhooks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhooks (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid,
    url text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    trigger_types text[] NOT NULL,
    notification_emails text[] DEFAULT '{}'::text[] NOT NULL,
    compressed boolean DEFAULT false NOT NULL,
    self_check boolean DEFAULT false NOT NULL,
    status text NOT NULL,
    status_at timestamp with time zone NOT NULL,
    overlap_seconds integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    standard boolean DEFAULT false NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT webhooks_overlap_seconds_check CHECK (((overlap_seconds >= 0) AND (overlap_seconds <= 604800))),
    CONSTRAINT webhooks_status_check CHECK ((status = ANY (ARRAY['active'::text, 'pause'::text, 'failing'::text, 'failed'::text]))),
    CONSTRAINT webhooks_trigger_types_check CHECK ((cardinality(trigger_types) > 0)),
    CONSTRAINT webhooks_url_check CHECK (((length(url) >= 1) AND (length(url) <= 2000)))
);

ALTER TABLE ONLY public.webhooks FORCE ROW LEVEL SECURITY;


--
-- Name: witnesses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.witnesses (
    name text NOT NULL,
    shown text NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    published_at timestamp with time zone,
    tries integer DEFAULT 0 NOT NULL,
    problem text DEFAULT ''::text NOT NULL,
    next_at timestamp with time zone NOT NULL,
    held_until timestamp with time zone
);


--
-- Name: scope_key; Type: TABLE; Schema: sec; Owner: -
--

CREATE TABLE sec.scope_key (
    only_row boolean DEFAULT true NOT NULL,
    inner_pad bytea NOT NULL,
    outer_pad bytea NOT NULL,
    CONSTRAINT scope_key_inner_pad_check CHECK ((length(inner_pad) = 64)),
    CONSTRAINT scope_key_only_row_check CHECK (only_row),
    CONSTRAINT scope_key_outer_pad_check CHECK ((length(outer_pad) = 64))
);


--
-- Name: access_ledger_rest; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.access_ledger ATTACH PARTITION public.access_ledger_rest DEFAULT;


--
-- Name: verifications_rest; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verifications ATTACH PARTITION public.verifications_rest DEFAULT;


--
-- Name: access_ledger access_ledger_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.access_ledger
    ADD CONSTRAINT access_ledger_pkey PRIMARY KEY (tenant_id, at, id);


--
-- Name: access_ledger_rest access_ledger_rest_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.access_ledger_rest
    ADD CONSTRAINT access_ledger_rest_pkey PRIMARY KEY (tenant_id, at, id);


--
-- Name: api_keys api_keys_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_hash_key UNIQUE (hash);


--
-- Name: api_keys api_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (application_id, id);


--
-- Name: applications applications_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_pkey PRIMARY KEY (id);


--
-- Name: attempts attempts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (application_id, delivery_id, number);


--
-- Name: audit_entries audit_entries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_entries
    ADD CONSTRAINT audit_entries_pkey PRIMARY KEY (id);


--
-- Name: audit_hashes audit_hashes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_hashes
    ADD CONSTRAINT audit_hashes_pkey PRIMARY KEY (index);


--
-- Name: audit_leaves audit_leaves_entry_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_leaves
    ADD CONSTRAINT audit_leaves_entry_id_key UNIQUE (entry_id);


--
-- Name: audit_leaves audit_leaves_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_leaves
    ADD CONSTRAINT audit_leaves_pkey PRIMARY KEY (index);


--
-- Name: audit_pending audit_pending_entry_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_pending
    ADD CONSTRAINT audit_pending_entry_id_key UNIQUE (entry_id);


--
-- Name: audit_pending audit_pending_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_pending
    ADD CONSTRAINT audit_pending_pkey PRIMARY KEY (place);


--
-- Name: batch_items batch_items_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.batch_items
    ADD CONSTRAINT batch_items_pkey PRIMARY KEY (tenant_id, batch_id, grant_id);


--
-- Name: batches batches_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_pkey PRIMARY KEY (id);


--
-- Name: callback_uris callback_uris_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.callback_uris
    ADD CONSTRAINT callback_uris_pkey PRIMARY KEY (application_id, id);


--
-- Name: capability_uses capability_uses_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.capability_uses
    ADD CONSTRAINT capability_uses_pkey PRIMARY KEY (tenant_id, grant_id, capability);


--
-- Name: checkpoints checkpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (size);


--
-- Name: connect_flows connect_flows_code_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connect_flows
    ADD CONSTRAINT connect_flows_code_hash_key UNIQUE (code_hash);


--
-- Name: connect_flows connect_flows_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connect_flows
    ADD CONSTRAINT connect_flows_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: connect_flows connect_flows_state_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connect_flows
    ADD CONSTRAINT connect_flows_state_hash_key UNIQUE (state_hash);


--
-- Name: connect_links connect_links_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connect_links
    ADD CONSTRAINT connect_links_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: connect_links connect_links_token_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connect_links
    ADD CONSTRAINT connect_links_token_hash_key UNIQUE (token_hash);


--
-- Name: connectors connectors_application_id_provider_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connectors
    ADD CONSTRAINT connectors_application_id_provider_key UNIQUE (application_id, provider);


--
-- Name: connectors connectors_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connectors
    ADD CONSTRAINT connectors_pkey PRIMARY KEY (application_id, id);


--
-- Name: credentials credentials_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_pkey PRIMARY KEY (application_id, id);


--
-- Name: data_keys data_keys_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.data_keys
    ADD CONSTRAINT data_keys_id_key UNIQUE (id);


--
-- Name: data_keys data_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.data_keys
    ADD CONSTRAINT data_keys_pkey PRIMARY KEY (tenant_id);


--
-- Name: deliveries deliveries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (application_id, id);


--
-- Name: delivery_hours delivery_hours_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.delivery_hours
    ADD CONSTRAINT delivery_hours_pkey PRIMARY KEY (webhook_id, hour, outcome);


--
-- Name: egress_hosts egress_hosts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.egress_hosts
    ADD CONSTRAINT egress_hosts_pkey PRIMARY KEY (purpose, host, port);


--
-- Name: event_queue event_queue_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event_queue
    ADD CONSTRAINT event_queue_pkey PRIMARY KEY (place);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: evidence_contents evidence_contents_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.evidence_contents
    ADD CONSTRAINT evidence_contents_pkey PRIMARY KEY (pack_id);


--
-- Name: evidence_documents evidence_documents_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.evidence_documents
    ADD CONSTRAINT evidence_documents_pkey PRIMARY KEY (id);


--
-- Name: evidence_packs evidence_packs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.evidence_packs
    ADD CONSTRAINT evidence_packs_pkey PRIMARY KEY (id);


--
-- Name: grants grants_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_id_key UNIQUE (id);


--
-- Name: grants grants_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: grants grants_tenant_id_application_id_provider_subject_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_tenant_id_application_id_provider_subject_key UNIQUE (tenant_id, application_id, provider, subject);


--
-- Name: guest_passes guest_passes_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.guest_passes
    ADD CONSTRAINT guest_passes_id_key UNIQUE (id);


--
-- Name: guest_passes guest_passes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.guest_passes
    ADD CONSTRAINT guest_passes_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: guest_passes guest_passes_token_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.guest_passes
    ADD CONSTRAINT guest_passes_token_hash_key UNIQUE (token_hash);


--
-- Name: guest_views guest_views_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.guest_views
    ADD CONSTRAINT guest_views_pkey PRIMARY KEY (tenant_id, pass_id, id);


--
-- Name: inbound_endpoints inbound_endpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbound_endpoints
    ADD CONSTRAINT inbound_endpoints_pkey PRIMARY KEY (id);


--
-- Name: inbound_secrets inbound_secrets_endpoint_id_generation_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbound_secrets
    ADD CONSTRAINT inbound_secrets_endpoint_id_generation_key UNIQUE (endpoint_id, generation);


--
-- Name: inbound_secrets inbound_secrets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbound_secrets
    ADD CONSTRAINT inbound_secrets_pkey PRIMARY KEY (id);


--
-- Name: inbound_seen inbound_seen_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbound_seen
    ADD CONSTRAINT inbound_seen_pkey PRIMARY KEY (endpoint_id, event_id);


--
-- Name: instance instance_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_pkey PRIMARY KEY (only_row);


--
-- Name: invites invites_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT invites_pkey PRIMARY KEY (token_hash);


--
-- Name: issued_tokens issued_tokens_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.issued_tokens
    ADD CONSTRAINT issued_tokens_hash_key UNIQUE (hash);


--
-- Name: issued_tokens issued_tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.issued_tokens
    ADD CONSTRAINT issued_tokens_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: key_counts key_counts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.key_counts
    ADD CONSTRAINT key_counts_pkey PRIMARY KEY (tenant_id);


--
-- Name: key_rotations key_rotations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.key_rotations
    ADD CONSTRAINT key_rotations_pkey PRIMARY KEY (id);


--
-- Name: known_signatures known_signatures_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.known_signatures
    ADD CONSTRAINT known_signatures_pkey PRIMARY KEY (digest);


--
-- Name: members members_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (id);


--
-- Name: members members_user_handle_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_user_handle_key UNIQUE (user_handle);


--
-- Name: memberships memberships_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (id);


--
-- Name: offboarding_steps offboarding_steps_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.offboarding_steps
    ADD CONSTRAINT offboarding_steps_pkey PRIMARY KEY (tenant_id, offboarding_id, name);


--
-- Name: offboardings offboardings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.offboardings
    ADD CONSTRAINT offboardings_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: passkeys passkeys_credential_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.passkeys
    ADD CONSTRAINT passkeys_credential_id_key UNIQUE (credential_id);


--
-- Name: passkeys passkeys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.passkeys
    ADD CONSTRAINT passkeys_pkey PRIMARY KEY (id);


--
-- Name: receipts receipts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.receipts
    ADD CONSTRAINT receipts_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: receipts receipts_tenant_id_severance_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.receipts
    ADD CONSTRAINT receipts_tenant_id_severance_id_key UNIQUE (tenant_id, severance_id);


--
-- Name: refresh_leases refresh_leases_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.refresh_leases
    ADD CONSTRAINT refresh_leases_pkey PRIMARY KEY (tenant_id, grant_id);


--
-- Name: replays replays_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.replays
    ADD CONSTRAINT replays_pkey PRIMARY KEY (application_id, id);


--
-- Name: schedules schedules_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: sealed sealed_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sealed
    ADD CONSTRAINT sealed_pkey PRIMARY KEY (tenant_id, owner_kind, owner_id, field);


--
-- Name: sends_once sends_once_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sends_once
    ADD CONSTRAINT sends_once_pkey PRIMARY KEY (tenant_id, grant_id, key_hash);


--
-- Name: service_accounts service_accounts_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.service_accounts
    ADD CONSTRAINT service_accounts_id_key UNIQUE (id);


--
-- Name: service_accounts service_accounts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.service_accounts
    ADD CONSTRAINT service_accounts_pkey PRIMARY KEY (application_id, id);


--
-- Name: service_nonces service_nonces_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.service_nonces
    ADD CONSTRAINT service_nonces_pkey PRIMARY KEY (account_id, nonce_hash);


--
-- Name: sessions sessions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id_hash);


--
-- Name: severances severances_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.severances
    ADD CONSTRAINT severances_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: tenants tenants_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);


--
-- Name: token_families token_families_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.token_families
    ADD CONSTRAINT token_families_pkey PRIMARY KEY (tenant_id, id);


--
-- Name: verification_counts verification_counts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verification_counts
    ADD CONSTRAINT verification_counts_pkey PRIMARY KEY (minute, endpoint_id, reason);


--
-- Name: verification_hours verification_hours_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verification_hours
    ADD CONSTRAINT verification_hours_pkey PRIMARY KEY (hour, shard, key);


--
-- Name: verifications verifications_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verifications
    ADD CONSTRAINT verifications_pkey PRIMARY KEY (at, id);


--
-- Name: verifications_rest verifications_rest_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verifications_rest
    ADD CONSTRAINT verifications_rest_pkey PRIMARY KEY (at, id);


--
-- Name: watch_keepers watch_keepers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.watch_keepers
    ADD CONSTRAINT watch_keepers_pkey PRIMARY KEY (id);


--
-- Name: watches watches_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.watches
    ADD CONSTRAINT watches_pkey PRIMARY KEY (tenant_id, grant_id);


--
-- Name: webhook_health webhook_health_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_health
    ADD CONSTRAINT webhook_health_pkey PRIMARY KEY (application_id, webhook_id);


--
-- Name: webhook_lanes webhook_lanes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_lanes
    ADD CONSTRAINT webhook_lanes_pkey PRIMARY KEY (webhook_id);


--
-- Name: webhook_secrets webhook_secrets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_secrets
    ADD CONSTRAINT webhook_secrets_pkey PRIMARY KEY (application_id, id);


--
-- Name: webhook_secrets webhook_secrets_webhook_id_generation_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_secrets
    ADD CONSTRAINT webhook_secrets_webhook_id_generation_key UNIQUE (webhook_id, generation);


--
-- Name: webhooks webhooks_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT webhooks_id_key UNIQUE (id);


--
-- Name: webhooks webhooks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT webhooks_pkey PRIMARY KEY (application_id, id);


--
-- Name: witnesses witnesses_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.witnesses
    ADD CONSTRAINT witnesses_pkey PRIMARY KEY (name);


--
-- Name: scope_key scope_key_pkey; Type: CONSTRAINT; Schema: sec; Owner: -
--

ALTER TABLE ONLY sec.scope_key
    ADD CONSTRAINT scope_key_pkey PRIMARY KEY (only_row);


--
-- Name: access_ledger_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX access_ledger_by_time ON ONLY public.access_ledger USING btree (at DESC, id DESC);


--
-- Name: access_ledger_of_actor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX access_ledger_of_actor ON ONLY public.access_ledger USING btree (actor_id, at DESC, id DESC);


--
-- Name: access_ledger_of_grant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX access_ledger_of_grant ON ONLY public.access_ledger USING btree (tenant_id, grant_id, at DESC, id DESC);


--
-- Name: access_ledger_rest_actor_id_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX access_ledger_rest_actor_id_at_id_idx ON public.access_ledger_rest USING btree (actor_id, at DESC, id DESC);


--
-- Name: access_ledger_rest_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX access_ledger_rest_at_id_idx ON public.access_ledger_rest USING btree (at DESC, id DESC);


--
-- Name: access_ledger_rest_tenant_id_grant_id_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX access_ledger_rest_tenant_id_grant_id_at_id_idx ON public.access_ledger_rest USING btree (tenant_id, grant_id, at DESC, id DESC);


--
-- Name: audit_by_action; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_action ON public.audit_entries USING btree (action, at DESC, id DESC);


--
-- Name: audit_by_actor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_actor ON public.audit_entries USING btree (actor_id, at DESC, id DESC);


--
-- Name: audit_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_time ON public.audit_entries USING btree (at DESC, id DESC);


--
-- Name: audit_of_object; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_of_object ON public.audit_entries USING btree (object_kind, object_id, at DESC);


--
-- Name: audit_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_of_tenant ON public.audit_entries USING btree (tenant_id, at DESC, id DESC);


--
-- Name: batch_items_in_order; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX batch_items_in_order ON public.batch_items USING btree (batch_id, place);


--
-- Name: batch_items_left; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX batch_items_left ON public.batch_items USING btree (batch_id, attempts, place) WHERE (outcome = ''::text);


--
-- Name: batches_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX batches_by_time ON public.batches USING btree (requested_at DESC, id DESC);


--
-- Name: batches_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX batches_of_tenant ON public.batches USING btree (tenant_id, requested_at DESC, id DESC) WHERE (tenant_id IS NOT NULL);


--
-- Name: batches_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX batches_open ON public.batches USING btree (beat_at) WHERE (ended_at IS NULL);


--
-- Name: callback_uris_live; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX callback_uris_live ON public.callback_uris USING btree (application_id, url, platform) WHERE (deleted_at IS NULL);


--
-- Name: connect_flows_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX connect_flows_by_expiry ON public.connect_flows USING btree (expires_at);


--
-- Name: connect_flows_by_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX connect_flows_by_id ON public.connect_flows USING btree (id);


--
-- Name: connect_flows_of_grant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX connect_flows_of_grant ON public.connect_flows USING btree (tenant_id, grant_id) WHERE ((code_hash IS NOT NULL) AND (code_spent_at IS NULL));


--
-- Name: connect_links_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX connect_links_of_tenant ON public.connect_links USING btree (tenant_id, created_at DESC, id DESC);


--
-- Name: credentials_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX credentials_by_name ON public.credentials USING btree (application_id, provider, lower(name));


--
-- Name: credentials_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX credentials_of_tenant ON public.credentials USING btree (application_id, provider, tenant_id, type) WHERE (tenant_id IS NOT NULL);


--
-- Name: deliveries_given_up; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_given_up ON public.deliveries USING btree (webhook_id, status, created_at, id) WHERE (status = ANY (ARRAY['failed'::text, 'dropped'::text]));


--
-- Name: deliveries_of_webhook; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_of_webhook ON public.deliveries USING btree (webhook_id, created_at, id);


--
-- Name: deliveries_once; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX deliveries_once ON public.deliveries USING btree (webhook_id, event_id);


--
-- Name: deliveries_waiting; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_waiting ON public.deliveries USING btree (webhook_id, next_attempt_at, id) WHERE (status = 'waiting'::text);


--
-- Name: egress_hosts_new; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX egress_hosts_new ON public.egress_hosts USING btree (first_at DESC) WHERE (seen_at IS NULL);


--
-- Name: events_of_application; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_of_application ON public.events USING btree (application_id, occurred_at DESC, id DESC);


--
-- Name: evidence_documents_of; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX evidence_documents_of ON public.evidence_documents USING btree (requirement, added_at DESC);


--
-- Name: evidence_packs_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX evidence_packs_by_time ON public.evidence_packs USING btree (created_at DESC);


--
-- Name: evidence_packs_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX evidence_packs_of_tenant ON public.evidence_packs USING btree (tenant_id, created_at DESC);


--
-- Name: grants_by_created; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_by_created ON public.grants USING btree (created_at DESC, id DESC);


--
-- Name: grants_by_email; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_by_email ON public.grants USING btree (application_id, lower(email));


--
-- Name: grants_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_by_status ON public.grants USING btree (status, created_at DESC, id DESC);


--
-- Name: grants_of_application; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_of_application ON public.grants USING btree (application_id, created_at DESC, id DESC);


--
-- Name: grants_of_application_updated; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_of_application_updated ON public.grants USING btree (application_id, updated_at DESC, id DESC);


--
-- Name: grants_of_credential; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_of_credential ON public.grants USING btree (credential_id) WHERE (credential_id IS NOT NULL);


--
-- Name: grants_of_subject; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_of_subject ON public.grants USING btree (provider, subject);


--
-- Name: grants_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_of_tenant ON public.grants USING btree (tenant_id, created_at DESC, id DESC);


--
-- Name: grants_pending; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_pending ON public.grants USING btree (status_at) WHERE (status = 'pending'::text);


--
-- Name: grants_unrecorded; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_unrecorded ON public.grants USING btree (tenant_id) WHERE ((status = 'valid'::text) AND (cardinality(scopes_requested) > 0) AND (cardinality(scopes_granted) = 0));


--
-- Name: grants_unwell; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX grants_unwell ON public.grants USING btree (status_at DESC) WHERE (status = 'invalid'::text);


--
-- Name: guest_passes_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX guest_passes_by_time ON public.guest_passes USING btree (created_at, id);


--
-- Name: inbound_secrets_staged_once; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX inbound_secrets_staged_once ON public.inbound_secrets USING btree (endpoint_id) WHERE staged;


--
-- Name: inbound_seen_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbound_seen_by_time ON public.inbound_seen USING btree (seen_at);


--
-- Name: inbound_self_once; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX inbound_self_once ON public.inbound_endpoints USING btree (application_id) WHERE (kind = 'self'::text);


--
-- Name: invites_by_member; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX invites_by_member ON public.invites USING btree (member_id);


--
-- Name: issued_tokens_of_family; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX issued_tokens_of_family ON public.issued_tokens USING btree (tenant_id, family_id);


--
-- Name: key_rotations_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX key_rotations_by_time ON public.key_rotations USING btree (started_at);


--
-- Name: key_rotations_open; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX key_rotations_open ON public.key_rotations USING btree ((true)) WHERE (finished_at IS NULL);


--
-- Name: known_signatures_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX known_signatures_by_time ON public.known_signatures USING btree (seen_at);


--
-- Name: members_by_email; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX members_by_email ON public.members USING btree (lower(email));


--
-- Name: memberships_by_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX memberships_by_tenant ON public.memberships USING btree (tenant_id) WHERE (tenant_id IS NOT NULL);


--
-- Name: memberships_once; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX memberships_once ON public.memberships USING btree (member_id, role, COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000'::uuid));


--
-- Name: offboardings_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX offboardings_by_time ON public.offboardings USING btree (requested_at DESC, id DESC);


--
-- Name: offboardings_one_open; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX offboardings_one_open ON public.offboardings USING btree (tenant_id) WHERE (state = ANY (ARRAY['planned'::text, 'approved'::text, 'running'::text]));


--
-- Name: offboardings_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX offboardings_open ON public.offboardings USING btree (beat_at) WHERE (state = ANY (ARRAY['approved'::text, 'running'::text]));


--
-- Name: passkeys_by_member; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX passkeys_by_member ON public.passkeys USING btree (member_id);


--
-- Name: receipts_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX receipts_by_time ON public.receipts USING btree (created_at DESC, id DESC);


--
-- Name: receipts_of_grant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX receipts_of_grant ON public.receipts USING btree (tenant_id, grant_id);


--
-- Name: receipts_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX receipts_of_tenant ON public.receipts USING btree (tenant_id, created_at DESC, id DESC);


--
-- Name: replays_of_webhook; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX replays_of_webhook ON public.replays USING btree (webhook_id, created_at DESC);


--
-- Name: schedules_of_grant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX schedules_of_grant ON public.schedules USING btree (tenant_id, grant_id, send_at DESC, id DESC);


--
-- Name: sealed_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sealed_by_key ON public.sealed USING btree (tenant_id, key_id);


--
-- Name: service_nonces_by_end; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX service_nonces_by_end ON public.service_nonces USING btree (ends_at);


--
-- Name: sessions_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sessions_by_expiry ON public.sessions USING btree (expires_at);


--
-- Name: sessions_by_member; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sessions_by_member ON public.sessions USING btree (member_id);


--
-- Name: sessions_by_pass; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sessions_by_pass ON public.sessions USING btree (pass_id) WHERE (pass_id IS NOT NULL);


--
-- Name: severances_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX severances_by_time ON public.severances USING btree (cut_at DESC, id DESC);


--
-- Name: severances_closed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX severances_closed ON public.severances USING btree (tenant_id, id) WHERE (closed_at IS NOT NULL);


--
-- Name: severances_live; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX severances_live ON public.severances USING btree (cut_at DESC, id DESC) WHERE ((confirmed_at IS NULL) AND (outcome = ANY (ARRAY[''::text, 'deleted-here-only'::text, 'user-action-needed'::text])));


--
-- Name: severances_of_grant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX severances_of_grant ON public.severances USING btree (tenant_id, grant_id);


--
-- Name: severances_of_offboarding; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX severances_of_offboarding ON public.severances USING btree (tenant_id, offboarding_id) WHERE (offboarding_id IS NOT NULL);


--
-- Name: severances_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX severances_open ON public.severances USING btree (cut_at) WHERE (closed_at IS NULL);


--
-- Name: tenants_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tenants_by_name ON public.tenants USING btree (lower(name), id);


--
-- Name: token_families_of_flow; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_families_of_flow ON public.token_families USING btree (tenant_id, flow_id);


--
-- Name: token_families_of_grant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_families_of_grant ON public.token_families USING btree (tenant_id, grant_id);


--
-- Name: verification_counts_of_application; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_counts_of_application ON public.verification_counts USING btree (application_id, minute DESC);


--
-- Name: verification_counts_of_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_counts_of_endpoint ON public.verification_counts USING btree (endpoint_id, minute DESC);


--
-- Name: verification_counts_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_counts_of_tenant ON public.verification_counts USING btree (tenant_id, minute DESC);


--
-- Name: verification_counts_of_webhook; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_counts_of_webhook ON public.verification_counts USING btree (webhook_id, minute DESC) WHERE (webhook_id IS NOT NULL);


--
-- Name: verification_hours_by_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_hours_by_type ON public.verification_hours USING btree (event_type, hour) WHERE (event_type <> ''::text);


--
-- Name: verification_hours_of_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_hours_of_endpoint ON public.verification_hours USING btree (endpoint_id, hour) WHERE (endpoint_id IS NOT NULL);


--
-- Name: verification_hours_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_hours_of_tenant ON public.verification_hours USING btree (tenant_id, hour) WHERE (tenant_id IS NOT NULL);


--
-- Name: verification_hours_of_webhook; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_hours_of_webhook ON public.verification_hours USING btree (webhook_id, hour) WHERE (webhook_id IS NOT NULL);


--
-- Name: verification_hours_total; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_hours_total ON public.verification_hours USING btree (hour) WHERE total;


--
-- Name: verifications_by_reason; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_by_reason ON ONLY public.verifications USING btree (reason, at, id);


--
-- Name: verifications_by_source; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_by_source ON ONLY public.verifications USING btree (source, at, id);


--
-- Name: verifications_by_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_by_type ON ONLY public.verifications USING btree (event_type, at, id) WHERE (event_type <> ''::text);


--
-- Name: verifications_by_verdict; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_by_verdict ON ONLY public.verifications USING btree (verdict, at, id);


--
-- Name: verifications_of_application; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_of_application ON ONLY public.verifications USING btree (application_id, at, id);


--
-- Name: verifications_of_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_of_endpoint ON ONLY public.verifications USING btree (endpoint_id, at, id) WHERE (endpoint_id IS NOT NULL);


--
-- Name: verifications_of_event; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_of_event ON ONLY public.verifications USING btree (event_id, at, id) WHERE (event_id <> ''::text);


--
-- Name: verifications_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_of_tenant ON ONLY public.verifications USING btree (tenant_id, at, id) WHERE (tenant_id IS NOT NULL);


--
-- Name: verifications_of_webhook; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_of_webhook ON ONLY public.verifications USING btree (webhook_id, at, id) WHERE (webhook_id IS NOT NULL);


--
-- Name: verifications_refused_at_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_refused_at_endpoint ON ONLY public.verifications USING btree (endpoint_id, reason, at, id) WHERE ((verdict = 'refused'::text) AND (endpoint_id IS NOT NULL));


--
-- Name: verifications_refused_of_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_refused_of_tenant ON ONLY public.verifications USING btree (tenant_id, at, id) WHERE ((verdict = 'refused'::text) AND (tenant_id IS NOT NULL));


--
-- Name: verifications_rest_application_id_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_application_id_at_id_idx ON public.verifications_rest USING btree (application_id, at, id);


--
-- Name: verifications_rest_endpoint_id_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_endpoint_id_at_id_idx ON public.verifications_rest USING btree (endpoint_id, at, id) WHERE (endpoint_id IS NOT NULL);


--
-- Name: verifications_rest_endpoint_id_reason_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_endpoint_id_reason_at_id_idx ON public.verifications_rest USING btree (endpoint_id, reason, at, id) WHERE ((verdict = 'refused'::text) AND (endpoint_id IS NOT NULL));


--
-- Name: verifications_rest_event_id_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_event_id_at_id_idx ON public.verifications_rest USING btree (event_id, at, id) WHERE (event_id <> ''::text);


--
-- Name: verifications_rest_event_type_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_event_type_at_id_idx ON public.verifications_rest USING btree (event_type, at, id) WHERE (event_type <> ''::text);


--
-- Name: verifications_rest_reason_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_reason_at_id_idx ON public.verifications_rest USING btree (reason, at, id);


--
-- Name: verifications_rest_source_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_source_at_id_idx ON public.verifications_rest USING btree (source, at, id);


--
-- Name: verifications_rest_tenant_id_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_tenant_id_at_id_idx ON public.verifications_rest USING btree (tenant_id, at, id) WHERE (tenant_id IS NOT NULL);


--
-- Name: verifications_rest_tenant_id_at_id_idx1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_tenant_id_at_id_idx1 ON public.verifications_rest USING btree (tenant_id, at, id) WHERE ((verdict = 'refused'::text) AND (tenant_id IS NOT NULL));


--
-- Name: verifications_rest_verdict_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_verdict_at_id_idx ON public.verifications_rest USING btree (verdict, at, id);


--
-- Name: verifications_rest_webhook_id_at_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verifications_rest_webhook_id_at_id_idx ON public.verifications_rest USING btree (webhook_id, at, id) WHERE (webhook_id IS NOT NULL);


--
-- Name: watches_of_holder; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX watches_of_holder ON public.watches USING btree (holder);


--
-- Name: webhooks_in_trouble; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhooks_in_trouble ON public.webhooks USING btree (status_at DESC) WHERE ((status = ANY (ARRAY['failing'::text, 'failed'::text])) AND (deleted_at IS NULL));


--
-- Name: access_ledger_rest_actor_id_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.access_ledger_of_actor ATTACH PARTITION public.access_ledger_rest_actor_id_at_id_idx;


--
-- Name: access_ledger_rest_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.access_ledger_by_time ATTACH PARTITION public.access_ledger_rest_at_id_idx;


--
-- Name: access_ledger_rest_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.access_ledger_pkey ATTACH PARTITION public.access_ledger_rest_pkey;


--
-- Name: access_ledger_rest_tenant_id_grant_id_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.access_ledger_of_grant ATTACH PARTITION public.access_ledger_rest_tenant_id_grant_id_at_id_idx;


--
-- Name: verifications_rest_application_id_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_of_application ATTACH PARTITION public.verifications_rest_application_id_at_id_idx;


--
-- Name: verifications_rest_endpoint_id_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_of_endpoint ATTACH PARTITION public.verifications_rest_endpoint_id_at_id_idx;


--
-- Name: verifications_rest_endpoint_id_reason_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_refused_at_endpoint ATTACH PARTITION public.verifications_rest_endpoint_id_reason_at_id_idx;


--
-- Name: verifications_rest_event_id_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_of_event ATTACH PARTITION public.verifications_rest_event_id_at_id_idx;


--
-- Name: verifications_rest_event_type_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_by_type ATTACH PARTITION public.verifications_rest_event_type_at_id_idx;


--
-- Name: verifications_rest_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_pkey ATTACH PARTITION public.verifications_rest_pkey;


--
-- Name: verifications_rest_reason_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_by_reason ATTACH PARTITION public.verifications_rest_reason_at_id_idx;


--
-- Name: verifications_rest_source_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_by_source ATTACH PARTITION public.verifications_rest_source_at_id_idx;


--
-- Name: verifications_rest_tenant_id_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_of_tenant ATTACH PARTITION public.verifications_rest_tenant_id_at_id_idx;


--
-- Name: verifications_rest_tenant_id_at_id_idx1; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_refused_of_tenant ATTACH PARTITION public.verifications_rest_tenant_id_at_id_idx1;


--
-- Name: verifications_rest_verdict_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_by_verdict ATTACH PARTITION public.verifications_rest_verdict_at_id_idx;


--
-- Name: verifications_rest_webhook_id_at_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.verifications_of_webhook ATTACH PARTITION public.verifications_rest_webhook_id_at_id_idx;


--
-- Name: audit_hashes audit_hashes_are_final; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_hashes_are_final BEFORE DELETE OR UPDATE ON public.audit_hashes FOR EACH ROW EXECUTE FUNCTION public.audit_is_final();


--
-- Name: audit_entries audit_is_erased; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_is_erased BEFORE UPDATE ON public.audit_entries FOR EACH ROW EXECUTE FUNCTION public.audit_is_erased();


--
-- Name: audit_entries audit_is_final; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_is_final BEFORE DELETE ON public.audit_entries FOR EACH ROW EXECUTE FUNCTION public.audit_is_final();


--
-- Name: audit_entries audit_is_kept; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_is_kept BEFORE TRUNCATE ON public.audit_entries FOR EACH STATEMENT EXECUTE FUNCTION public.audit_is_final();


--
-- Name: audit_leaves audit_leaves_are_final; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_leaves_are_final BEFORE DELETE OR UPDATE ON public.audit_leaves FOR EACH ROW EXECUTE FUNCTION public.audit_is_final();


--
-- Name: audit_entries audit_note; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_note AFTER INSERT ON public.audit_entries FOR EACH ROW EXECUTE FUNCTION public.audit_note();


--
-- Name: checkpoints checkpoints_are_final; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER checkpoints_are_final BEFORE DELETE OR UPDATE ON public.checkpoints FOR EACH ROW EXECUTE FUNCTION public.audit_is_final();


--
-- Name: grants grants_transition; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER grants_transition BEFORE UPDATE ON public.grants FOR EACH ROW EXECUTE FUNCTION public.grants_transition();


--
-- Name: api_keys tenant_is_open; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER tenant_is_open BEFORE INSERT ON public.api_keys FOR EACH ROW EXECUTE FUNCTION public.tenant_is_open();


--
-- Name: connect_flows tenant_is_open; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER tenant_is_open BEFORE INSERT ON public.connect_flows FOR EACH ROW EXECUTE FUNCTION public.tenant_is_open();


--
-- Name: connect_links tenant_is_open; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER tenant_is_open BEFORE INSERT ON public.connect_links FOR EACH ROW EXECUTE FUNCTION public.tenant_is_open();


--
-- Name: grants tenant_is_open; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER tenant_is_open BEFORE INSERT OR UPDATE OF status ON public.grants FOR EACH ROW WHEN ((new.status = ANY (ARRAY['pending'::text, 'valid'::text]))) EXECUTE FUNCTION public.tenant_is_open();


--
-- Name: memberships tenant_is_open; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER tenant_is_open BEFORE INSERT ON public.memberships FOR EACH ROW EXECUTE FUNCTION public.tenant_is_open();


--
-- Name: webhooks tenant_is_open; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER tenant_is_open BEFORE INSERT ON public.webhooks FOR EACH ROW EXECUTE FUNCTION public.tenant_is_open();


--
-- Name: tenants tenant_may_move; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER tenant_may_move BEFORE UPDATE OF region ON public.tenants FOR EACH ROW WHEN ((new.region <> old.region)) EXECUTE FUNCTION public.tenant_may_move();


--
-- Name: api_keys api_keys_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: api_keys api_keys_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: applications applications_default_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_default_tenant_id_fkey FOREIGN KEY (default_tenant_id) REFERENCES public.tenants(id);


--
-- Name: batch_items batch_items_batch_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.batch_items
    ADD CONSTRAINT batch_items_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.batches(id);


--
-- Name: batch_items batch_items_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.batch_items
    ADD CONSTRAINT batch_items_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: batch_items batch_items_tenant_id_severance_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.batch_items
    ADD CONSTRAINT batch_items_tenant_id_severance_id_fkey FOREIGN KEY (tenant_id, severance_id) REFERENCES public.severances(tenant_id, id);


--
-- Name: batches batches_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: callback_uris callback_uris_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.callback_uris
    ADD CONSTRAINT callback_uris_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: capability_uses capability_uses_tenant_id_grant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.capability_uses
    ADD CONSTRAINT capability_uses_tenant_id_grant_id_fkey FOREIGN KEY (tenant_id, grant_id) REFERENCES public.grants(tenant_id, id) ON DELETE CASCADE;


--
-- Name: connect_flows connect_flows_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connect_flows
    ADD CONSTRAINT connect_flows_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: connect_flows connect_flows_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connect_flows
    ADD CONSTRAINT connect_flows_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: connect_links connect_links_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connect_links
    ADD CONSTRAINT connect_links_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: connect_links connect_links_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connect_links
    ADD CONSTRAINT connect_links_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: connectors connectors_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.connectors
    ADD CONSTRAINT connectors_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: credentials credentials_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: credentials credentials_application_id_provider_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_application_id_provider_fkey FOREIGN KEY (application_id, provider) REFERENCES public.connectors(application_id, provider) ON DELETE CASCADE;


--
-- Name: credentials credentials_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT credentials_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: delivery_hours delivery_hours_application_id_webhook_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.delivery_hours
    ADD CONSTRAINT delivery_hours_application_id_webhook_id_fkey FOREIGN KEY (application_id, webhook_id) REFERENCES public.webhooks(application_id, id) ON DELETE CASCADE;


--
-- Name: events events_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: evidence_contents evidence_contents_pack_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.evidence_contents
    ADD CONSTRAINT evidence_contents_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES public.evidence_packs(id) ON DELETE CASCADE;


--
-- Name: evidence_packs evidence_packs_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.evidence_packs
    ADD CONSTRAINT evidence_packs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: grants grants_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: grants grants_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: guest_passes guest_passes_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.guest_passes
    ADD CONSTRAINT guest_passes_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: guest_views guest_views_tenant_id_pass_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.guest_views
    ADD CONSTRAINT guest_views_tenant_id_pass_id_fkey FOREIGN KEY (tenant_id, pass_id) REFERENCES public.guest_passes(tenant_id, id);


--
-- Name: inbound_endpoints inbound_endpoints_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbound_endpoints
    ADD CONSTRAINT inbound_endpoints_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: inbound_endpoints inbound_endpoints_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbound_endpoints
    ADD CONSTRAINT inbound_endpoints_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: inbound_secrets inbound_secrets_endpoint_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbound_secrets
    ADD CONSTRAINT inbound_secrets_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES public.inbound_endpoints(id);


--
-- Name: invites invites_member_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT invites_member_id_fkey FOREIGN KEY (member_id) REFERENCES public.members(id) ON DELETE CASCADE;


--
-- Name: issued_tokens issued_tokens_tenant_id_family_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.issued_tokens
    ADD CONSTRAINT issued_tokens_tenant_id_family_id_fkey FOREIGN KEY (tenant_id, family_id) REFERENCES public.token_families(tenant_id, id) ON DELETE CASCADE;


--
-- Name: memberships memberships_member_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_member_id_fkey FOREIGN KEY (member_id) REFERENCES public.members(id) ON DELETE CASCADE;


--
-- Name: memberships memberships_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: offboarding_steps offboarding_steps_tenant_id_offboarding_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.offboarding_steps
    ADD CONSTRAINT offboarding_steps_tenant_id_offboarding_id_fkey FOREIGN KEY (tenant_id, offboarding_id) REFERENCES public.offboardings(tenant_id, id);


--
-- Name: offboardings offboardings_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.offboardings
    ADD CONSTRAINT offboardings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: passkeys passkeys_member_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.passkeys
    ADD CONSTRAINT passkeys_member_id_fkey FOREIGN KEY (member_id) REFERENCES public.members(id) ON DELETE CASCADE;


--
-- Name: receipts receipts_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.receipts
    ADD CONSTRAINT receipts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: receipts receipts_tenant_id_severance_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.receipts
    ADD CONSTRAINT receipts_tenant_id_severance_id_fkey FOREIGN KEY (tenant_id, severance_id) REFERENCES public.severances(tenant_id, id);


--
-- Name: refresh_leases refresh_leases_tenant_id_grant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.refresh_leases
    ADD CONSTRAINT refresh_leases_tenant_id_grant_id_fkey FOREIGN KEY (tenant_id, grant_id) REFERENCES public.grants(tenant_id, id) ON DELETE CASCADE;


--
-- Name: replays replays_application_id_webhook_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.replays
    ADD CONSTRAINT replays_application_id_webhook_id_fkey FOREIGN KEY (application_id, webhook_id) REFERENCES public.webhooks(application_id, id) ON DELETE CASCADE;


--
-- Name: schedules schedules_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: schedules schedules_tenant_id_grant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_tenant_id_grant_id_fkey FOREIGN KEY (tenant_id, grant_id) REFERENCES public.grants(tenant_id, id) ON DELETE CASCADE;


--
-- Name: sealed sealed_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sealed
    ADD CONSTRAINT sealed_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.data_keys(tenant_id);


--
-- Name: sends_once sends_once_tenant_id_grant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sends_once
    ADD CONSTRAINT sends_once_tenant_id_grant_id_fkey FOREIGN KEY (tenant_id, grant_id) REFERENCES public.grants(tenant_id, id) ON DELETE CASCADE;


--
-- Name: service_accounts service_accounts_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.service_accounts
    ADD CONSTRAINT service_accounts_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: service_nonces service_nonces_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.service_nonces
    ADD CONSTRAINT service_nonces_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.service_accounts(id);


--
-- Name: sessions sessions_member_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_member_id_fkey FOREIGN KEY (member_id) REFERENCES public.members(id) ON DELETE CASCADE;


--
-- Name: sessions sessions_pass_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pass_id_fkey FOREIGN KEY (pass_id) REFERENCES public.guest_passes(id);


--
-- Name: severances severances_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.severances
    ADD CONSTRAINT severances_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: token_families token_families_tenant_id_grant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.token_families
    ADD CONSTRAINT token_families_tenant_id_grant_id_fkey FOREIGN KEY (tenant_id, grant_id) REFERENCES public.grants(tenant_id, id) ON DELETE CASCADE;


--
-- Name: watches watches_tenant_id_grant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.watches
    ADD CONSTRAINT watches_tenant_id_grant_id_fkey FOREIGN KEY (tenant_id, grant_id) REFERENCES public.grants(tenant_id, id) ON DELETE CASCADE;


--
-- Name: webhook_health webhook_health_application_id_webhook_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_health
    ADD CONSTRAINT webhook_health_application_id_webhook_id_fkey FOREIGN KEY (application_id, webhook_id) REFERENCES public.webhooks(application_id, id) ON DELETE CASCADE;


--
-- Name: webhook_secrets webhook_secrets_application_id_webhook_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_secrets
    ADD CONSTRAINT webhook_secrets_application_id_webhook_id_fkey FOREIGN KEY (application_id, webhook_id) REFERENCES public.webhooks(application_id, id) ON DELETE CASCADE;


--
-- Name: webhooks webhooks_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT webhooks_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: webhooks webhooks_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT webhooks_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: access_ledger; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.access_ledger ENABLE ROW LEVEL SECURITY;

--
-- Name: api_keys; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;

--
-- Name: api_keys application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.api_keys TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: applications application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.applications TO postern_app USING ((id = ( SELECT sec.application() AS application))) WITH CHECK ((id = ( SELECT sec.application() AS application)));


--
-- Name: attempts application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.attempts TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: callback_uris application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.callback_uris TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: connectors application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.connectors TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: credentials application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.credentials TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: deliveries application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.deliveries TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: delivery_hours application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.delivery_hours TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: replays application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.replays TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: webhook_health application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.webhook_health TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: webhook_secrets application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.webhook_secrets TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: webhooks application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY application ON public.webhooks TO postern_app USING ((application_id = ( SELECT sec.application() AS application))) WITH CHECK ((application_id = ( SELECT sec.application() AS application)));


--
-- Name: applications; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.applications ENABLE ROW LEVEL SECURITY;

--
-- Name: attempts; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.attempts ENABLE ROW LEVEL SECURITY;

--
-- Name: audit_entries; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.audit_entries ENABLE ROW LEVEL SECURITY;

--
-- Name: batch_items; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.batch_items ENABLE ROW LEVEL SECURITY;

--
-- Name: batches; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.batches ENABLE ROW LEVEL SECURITY;

--
-- Name: callback_uris; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.callback_uris ENABLE ROW LEVEL SECURITY;

--
-- Name: capability_uses; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.capability_uses ENABLE ROW LEVEL SECURITY;

--
-- Name: connect_flows; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.connect_flows ENABLE ROW LEVEL SECURITY;

--
-- Name: connect_links; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.connect_links ENABLE ROW LEVEL SECURITY;

--
-- Name: connectors; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.connectors ENABLE ROW LEVEL SECURITY;

--
-- Name: credentials; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.credentials ENABLE ROW LEVEL SECURITY;

--
-- Name: data_keys; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.data_keys ENABLE ROW LEVEL SECURITY;

--
-- Name: deliveries; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.deliveries ENABLE ROW LEVEL SECURITY;

--
-- Name: delivery_hours; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.delivery_hours ENABLE ROW LEVEL SECURITY;

--
-- Name: access_ledger eraser; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY eraser ON public.access_ledger TO postern_eraser USING (true) WITH CHECK (true);


--
-- Name: audit_entries eraser; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY eraser ON public.audit_entries TO postern_eraser USING (true) WITH CHECK (true);


--
-- Name: event_queue; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.event_queue ENABLE ROW LEVEL SECURITY;

--
-- Name: events; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.events ENABLE ROW LEVEL SECURITY;

--
-- Name: evidence_contents; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.evidence_contents ENABLE ROW LEVEL SECURITY;

--
-- Name: evidence_packs; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.evidence_packs ENABLE ROW LEVEL SECURITY;

--
-- Name: grants; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.grants ENABLE ROW LEVEL SECURITY;

--
-- Name: guest_passes; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.guest_passes ENABLE ROW LEVEL SECURITY;

--
-- Name: guest_views; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.guest_views ENABLE ROW LEVEL SECURITY;

--
-- Name: inbound_endpoints; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.inbound_endpoints ENABLE ROW LEVEL SECURITY;

--
-- Name: issued_tokens; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.issued_tokens ENABLE ROW LEVEL SECURITY;

--
-- Name: key_counts; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.key_counts ENABLE ROW LEVEL SECURITY;

--
-- Name: api_keys lookup; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY lookup ON public.api_keys FOR SELECT TO postern_lookup USING (true);


--
-- Name: connect_flows lookup; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY lookup ON public.connect_flows FOR SELECT TO postern_lookup USING (true);


--
-- Name: connect_links lookup; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY lookup ON public.connect_links FOR SELECT TO postern_lookup USING (true);


--
-- Name: grants lookup; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY lookup ON public.grants FOR SELECT TO postern_lookup USING (true);


--
-- Name: issued_tokens lookup; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY lookup ON public.issued_tokens FOR SELECT TO postern_lookup USING (true);


--
-- Name: tenants lookup; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY lookup ON public.tenants FOR SELECT TO postern_lookup USING (true);


--
-- Name: memberships; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.memberships ENABLE ROW LEVEL SECURITY;

--
-- Name: offboarding_steps; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.offboarding_steps ENABLE ROW LEVEL SECURITY;

--
-- Name: offboardings; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.offboardings ENABLE ROW LEVEL SECURITY;

--
-- Name: access_ledger platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.access_ledger TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: api_keys platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.api_keys TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: applications platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.applications TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: attempts platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.attempts TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: audit_entries platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.audit_entries TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: batch_items platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.batch_items TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: batches platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.batches TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: callback_uris platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.callback_uris TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: capability_uses platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.capability_uses TO postern_platform USING (true);


--
-- Name: connect_flows platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.connect_flows TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: connect_links platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.connect_links TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: connectors platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.connectors TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: credentials platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.credentials TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: deliveries platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.deliveries TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: delivery_hours platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.delivery_hours TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: event_queue platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.event_queue TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: events platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.events TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: evidence_contents platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.evidence_contents TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: evidence_packs platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.evidence_packs TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: grants platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.grants TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: guest_passes platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.guest_passes TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: guest_views platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.guest_views TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: inbound_endpoints platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.inbound_endpoints TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: issued_tokens platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.issued_tokens TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: key_counts platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.key_counts TO postern_platform USING (true);


--
-- Name: memberships platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.memberships TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: offboarding_steps platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.offboarding_steps TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: offboardings platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.offboardings TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: receipts platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.receipts TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: replays platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.replays TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: service_accounts platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.service_accounts TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: service_nonces platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.service_nonces TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: severances platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.severances TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: tenants platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.tenants TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: token_families platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.token_families TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: verification_counts platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.verification_counts TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: verification_hours platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.verification_hours TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: verifications platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.verifications TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: watches platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.watches TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: webhook_health platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.webhook_health TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: webhook_secrets platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.webhook_secrets TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: webhooks platform; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY platform ON public.webhooks TO postern_platform USING (true) WITH CHECK (true);


--
-- Name: receipts; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.receipts ENABLE ROW LEVEL SECURITY;

--
-- Name: refresh_leases; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.refresh_leases ENABLE ROW LEVEL SECURITY;

--
-- Name: replays; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.replays ENABLE ROW LEVEL SECURITY;

--
-- Name: schedules; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.schedules ENABLE ROW LEVEL SECURITY;

--
-- Name: access_ledger scope; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY scope ON public.access_ledger TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: audit_entries scope; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY scope ON public.audit_entries TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: verification_counts scope; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY scope ON public.verification_counts TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: verification_hours scope; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY scope ON public.verification_hours TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: verifications scope; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY scope ON public.verifications TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: sealed; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.sealed ENABLE ROW LEVEL SECURITY;

--
-- Name: sends_once; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.sends_once ENABLE ROW LEVEL SECURITY;

--
-- Name: service_accounts; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.service_accounts ENABLE ROW LEVEL SECURITY;

--
-- Name: service_nonces; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.service_nonces ENABLE ROW LEVEL SECURITY;

--
-- Name: severances; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.severances ENABLE ROW LEVEL SECURITY;

--
-- Name: batch_items tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.batch_items TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: batches tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.batches TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: capability_uses tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.capability_uses TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: data_keys tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.data_keys TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: event_queue tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.event_queue TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: evidence_contents tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.evidence_contents TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: evidence_packs tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.evidence_packs TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: guest_passes tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.guest_passes TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: guest_views tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.guest_views TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: key_counts tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.key_counts TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: offboarding_steps tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.offboarding_steps TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: offboardings tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.offboardings TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: refresh_leases tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.refresh_leases TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: schedules tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.schedules TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: sealed tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.sealed TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: sends_once tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.sends_once TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: tenants tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.tenants TO postern_app USING ((id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: watches tenant; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant ON public.watches TO postern_app USING ((tenant_id = ( SELECT sec.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT sec.tenant() AS tenant)));


--
-- Name: connect_flows tenant_or_application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant_or_application ON public.connect_flows TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: connect_links tenant_or_application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant_or_application ON public.connect_links TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: events tenant_or_application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant_or_application ON public.events TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: grants tenant_or_application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant_or_application ON public.grants TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: issued_tokens tenant_or_application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant_or_application ON public.issued_tokens TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: receipts tenant_or_application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant_or_application ON public.receipts TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: severances tenant_or_application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant_or_application ON public.severances TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: token_families tenant_or_application; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY tenant_or_application ON public.token_families TO postern_app USING (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application)))) WITH CHECK (((tenant_id = ( SELECT sec.tenant() AS tenant)) OR (application_id = ( SELECT sec.application() AS application))));


--
-- Name: tenants; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;

--
-- Name: token_families; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.token_families ENABLE ROW LEVEL SECURITY;

--
-- Name: verification_counts; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.verification_counts ENABLE ROW LEVEL SECURITY;

--
-- Name: verification_hours; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.verification_hours ENABLE ROW LEVEL SECURITY;

--
-- Name: verifications; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.verifications ENABLE ROW LEVEL SECURITY;

--
-- Name: watches; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.watches ENABLE ROW LEVEL SECURITY;

--
-- Name: webhook_health; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.webhook_health ENABLE ROW LEVEL SECURITY;

--
-- Name: webhook_secrets; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.webhook_secrets ENABLE ROW LEVEL SECURITY;

--
-- Name: webhooks; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.webhooks ENABLE ROW LEVEL SECURITY;

--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA public TO postern_app;
GRANT USAGE ON SCHEMA public TO postern_platform;
GRANT USAGE ON SCHEMA public TO postern_lookup;
GRANT USAGE ON SCHEMA public TO postern_eraser;


--
-- Name: SCHEMA sec; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA sec TO postern_app;
GRANT USAGE ON SCHEMA sec TO postern_platform;
GRANT USAGE ON SCHEMA sec TO postern_lookup;


--
-- Name: FUNCTION audit_note(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.audit_note() FROM PUBLIC;


--
-- Name: FUNCTION application(); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.application() FROM PUBLIC;
GRANT ALL ON FUNCTION sec.application() TO postern_app;
GRANT ALL ON FUNCTION sec.application() TO postern_platform;


--
-- Name: FUNCTION find_flow(flow uuid, OUT tenant uuid); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.find_flow(flow uuid, OUT tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.find_flow(flow uuid, OUT tenant uuid) TO postern_app;
GRANT ALL ON FUNCTION sec.find_flow(flow uuid, OUT tenant uuid) TO postern_platform;


--
-- Name: FUNCTION find_flow_by_code(presented bytea, OUT tenant uuid, OUT id uuid); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.find_flow_by_code(presented bytea, OUT tenant uuid, OUT id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.find_flow_by_code(presented bytea, OUT tenant uuid, OUT id uuid) TO postern_app;
GRANT ALL ON FUNCTION sec.find_flow_by_code(presented bytea, OUT tenant uuid, OUT id uuid) TO postern_platform;


--
-- Name: FUNCTION find_flow_by_state(presented bytea, OUT tenant uuid, OUT id uuid); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.find_flow_by_state(presented bytea, OUT tenant uuid, OUT id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.find_flow_by_state(presented bytea, OUT tenant uuid, OUT id uuid) TO postern_app;
GRANT ALL ON FUNCTION sec.find_flow_by_state(presented bytea, OUT tenant uuid, OUT id uuid) TO postern_platform;


--
-- Name: FUNCTION find_grant(grant_id uuid, application uuid, OUT tenant uuid); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.find_grant(grant_id uuid, application uuid, OUT tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.find_grant(grant_id uuid, application uuid, OUT tenant uuid) TO postern_app;
GRANT ALL ON FUNCTION sec.find_grant(grant_id uuid, application uuid, OUT tenant uuid) TO postern_platform;


--
-- Name: FUNCTION find_key(presented bytea, OUT application uuid, OUT id uuid); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.find_key(presented bytea, OUT application uuid, OUT id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.find_key(presented bytea, OUT application uuid, OUT id uuid) TO postern_app;
GRANT ALL ON FUNCTION sec.find_key(presented bytea, OUT application uuid, OUT id uuid) TO postern_platform;


--
-- Name: FUNCTION find_link(presented bytea, OUT tenant uuid, OUT id uuid); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.find_link(presented bytea, OUT tenant uuid, OUT id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.find_link(presented bytea, OUT tenant uuid, OUT id uuid) TO postern_app;
GRANT ALL ON FUNCTION sec.find_link(presented bytea, OUT tenant uuid, OUT id uuid) TO postern_platform;


--
-- Name: FUNCTION find_token(presented bytea, OUT tenant uuid, OUT id uuid); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.find_token(presented bytea, OUT tenant uuid, OUT id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.find_token(presented bytea, OUT tenant uuid, OUT id uuid) TO postern_app;
GRANT ALL ON FUNCTION sec.find_token(presented bytea, OUT tenant uuid, OUT id uuid) TO postern_platform;


--
-- Name: FUNCTION scope(OUT kind text, OUT id uuid); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.scope(OUT kind text, OUT id uuid) FROM PUBLIC;


--
-- Name: FUNCTION scoped(want text); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.scoped(want text) FROM PUBLIC;


--
-- Name: FUNCTION tenant(); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.tenant() FROM PUBLIC;
GRANT ALL ON FUNCTION sec.tenant() TO postern_app;
GRANT ALL ON FUNCTION sec.tenant() TO postern_platform;


--
-- Name: FUNCTION tenant_closed(tenant uuid); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.tenant_closed(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.tenant_closed(tenant uuid) TO postern_app;
GRANT ALL ON FUNCTION sec.tenant_closed(tenant uuid) TO postern_platform;


--
-- Name: FUNCTION turn_access_ledger(keep integer, ahead integer, OUT made integer, OUT dropped integer); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.turn_access_ledger(keep integer, ahead integer, OUT made integer, OUT dropped integer) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.turn_access_ledger(keep integer, ahead integer, OUT made integer, OUT dropped integer) TO postern_platform;


--
-- Name: FUNCTION turn_verifications(keep integer, ahead integer, OUT made integer, OUT dropped integer); Type: ACL; Schema: sec; Owner: -
--

REVOKE ALL ON FUNCTION sec.turn_verifications(keep integer, ahead integer, OUT made integer, OUT dropped integer) FROM PUBLIC;
GRANT ALL ON FUNCTION sec.turn_verifications(keep integer, ahead integer, OUT made integer, OUT dropped integer) TO postern_platform;


--
-- Name: TABLE access_ledger; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.access_ledger TO postern_app;
GRANT SELECT,INSERT ON TABLE public.access_ledger TO postern_platform;
GRANT SELECT ON TABLE public.access_ledger TO postern_eraser;


--
-- Name: COLUMN access_ledger.actor; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(actor) ON TABLE public.access_ledger TO postern_eraser;


--
-- Name: TABLE api_keys; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.api_keys TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.api_keys TO postern_platform;


--
-- Name: COLUMN api_keys.application_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(application_id) ON TABLE public.api_keys TO postern_lookup;


--
-- Name: COLUMN api_keys.id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(id) ON TABLE public.api_keys TO postern_lookup;


--
-- Name: COLUMN api_keys.hash; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(hash) ON TABLE public.api_keys TO postern_lookup;


--
-- Name: TABLE applications; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,UPDATE ON TABLE public.applications TO postern_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.applications TO postern_platform;


--
-- Name: TABLE attempts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.attempts TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.attempts TO postern_platform;


--
-- Name: TABLE audit_entries; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.audit_entries TO postern_app;
GRANT SELECT,INSERT ON TABLE public.audit_entries TO postern_platform;
GRANT SELECT,INSERT ON TABLE public.audit_entries TO postern_eraser;


--
-- Name: COLUMN audit_entries.actor; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(actor) ON TABLE public.audit_entries TO postern_eraser;


--
-- Name: COLUMN audit_entries.object; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(object) ON TABLE public.audit_entries TO postern_eraser;


--
-- Name: COLUMN audit_entries.detail; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(detail) ON TABLE public.audit_entries TO postern_eraser;


--
-- Name: COLUMN audit_entries.address; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(address) ON TABLE public.audit_entries TO postern_eraser;


--
-- Name: COLUMN audit_entries.salt; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(salt) ON TABLE public.audit_entries TO postern_eraser;


--
-- Name: COLUMN audit_entries.erased; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(erased) ON TABLE public.audit_entries TO postern_eraser;


--
-- Name: COLUMN audit_entries.salts; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(salts) ON TABLE public.audit_entries TO postern_eraser;


--
-- Name: TABLE audit_hashes; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.audit_hashes TO postern_platform;


--
-- Name: TABLE audit_leaves; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.audit_leaves TO postern_platform;
GRANT SELECT ON TABLE public.audit_leaves TO postern_eraser;


--
-- Name: TABLE audit_pending; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,DELETE ON TABLE public.audit_pending TO postern_platform;


--
-- Name: TABLE batch_items; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.batch_items TO postern_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.batch_items TO postern_platform;


--
-- Name: TABLE batches; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.batches TO postern_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.batches TO postern_platform;


--
-- Name: TABLE callback_uris; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.callback_uris TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.callback_uris TO postern_platform;


--
-- Name: TABLE capability_uses; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.capability_uses TO postern_app;
GRANT SELECT ON TABLE public.capability_uses TO postern_platform;


--
-- Name: TABLE checkpoints; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.checkpoints TO postern_platform;


--
-- Name: TABLE connect_flows; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.connect_flows TO postern_app;
GRANT SELECT ON TABLE public.connect_flows TO postern_platform;


--
-- Name: COLUMN connect_flows.tenant_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(tenant_id) ON TABLE public.connect_flows TO postern_lookup;


--
-- Name: COLUMN connect_flows.id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(id) ON TABLE public.connect_flows TO postern_lookup;


--
-- Name: COLUMN connect_flows.state_hash; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(state_hash) ON TABLE public.connect_flows TO postern_lookup;


--
-- Name: COLUMN connect_flows.code_hash; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(code_hash) ON TABLE public.connect_flows TO postern_lookup;


--
-- Name: TABLE connect_links; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.connect_links TO postern_app;
GRANT SELECT ON TABLE public.connect_links TO postern_platform;


--
-- Name: COLUMN connect_links.tenant_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(tenant_id) ON TABLE public.connect_links TO postern_lookup;


--
-- Name: COLUMN connect_links.id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(id) ON TABLE public.connect_links TO postern_lookup;


--
-- Name: COLUMN connect_links.token_hash; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(token_hash) ON TABLE public.connect_links TO postern_lookup;


--
-- Name: TABLE connectors; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.connectors TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.connectors TO postern_platform;


--
-- Name: TABLE credentials; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.credentials TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.credentials TO postern_platform;


--
-- Name: TABLE data_keys; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.data_keys TO postern_app;


--
-- Name: TABLE deliveries; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.deliveries TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.deliveries TO postern_platform;


--
-- Name: TABLE delivery_hours; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.delivery_hours TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.delivery_hours TO postern_platform;


--
-- Name: TABLE egress_hosts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.egress_hosts TO postern_platform;


--
-- Name: TABLE event_queue; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT ON TABLE public.event_queue TO postern_app;
GRANT SELECT,DELETE,UPDATE ON TABLE public.event_queue TO postern_platform;


--
-- Name: TABLE events; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.events TO postern_app;
GRANT SELECT,DELETE ON TABLE public.events TO postern_platform;


--
-- Name: TABLE evidence_contents; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.evidence_contents TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.evidence_contents TO postern_platform;


--
-- Name: TABLE evidence_documents; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.evidence_documents TO postern_platform;


--
-- Name: TABLE evidence_packs; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.evidence_packs TO postern_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.evidence_packs TO postern_platform;


--
-- Name: TABLE grants; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.grants TO postern_app;
GRANT SELECT ON TABLE public.grants TO postern_platform;


--
-- Name: COLUMN grants.tenant_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(tenant_id) ON TABLE public.grants TO postern_lookup;


--
-- Name: COLUMN grants.id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(id) ON TABLE public.grants TO postern_lookup;


--
-- Name: COLUMN grants.application_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(application_id) ON TABLE public.grants TO postern_lookup;


--
-- Name: TABLE guest_passes; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.guest_passes TO postern_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.guest_passes TO postern_platform;


--
-- Name: TABLE guest_views; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.guest_views TO postern_app;
GRANT SELECT,INSERT ON TABLE public.guest_views TO postern_platform;


--
-- Name: TABLE inbound_endpoints; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbound_endpoints TO postern_platform;


--
-- Name: TABLE inbound_secrets; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbound_secrets TO postern_platform;


--
-- Name: TABLE inbound_seen; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbound_seen TO postern_platform;


--
-- Name: TABLE instance; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.instance TO postern_app;
GRANT SELECT ON TABLE public.instance TO postern_platform;


--
-- Name: COLUMN instance.region; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(region) ON TABLE public.instance TO postern_lookup;


--
-- Name: TABLE invites; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.invites TO postern_platform;


--
-- Name: TABLE issued_tokens; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.issued_tokens TO postern_app;
GRANT SELECT ON TABLE public.issued_tokens TO postern_platform;


--
-- Name: COLUMN issued_tokens.tenant_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(tenant_id) ON TABLE public.issued_tokens TO postern_lookup;


--
-- Name: COLUMN issued_tokens.id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(id) ON TABLE public.issued_tokens TO postern_lookup;


--
-- Name: COLUMN issued_tokens.hash; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(hash) ON TABLE public.issued_tokens TO postern_lookup;


--
-- Name: TABLE key_counts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.key_counts TO postern_app;
GRANT SELECT ON TABLE public.key_counts TO postern_platform;


--
-- Name: TABLE key_rotations; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.key_rotations TO postern_platform;


--
-- Name: TABLE known_signatures; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.known_signatures TO postern_platform;


--
-- Name: TABLE members; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.members TO postern_platform;


--
-- Name: TABLE memberships; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.memberships TO postern_platform;


--
-- Name: TABLE offboarding_steps; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.offboarding_steps TO postern_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.offboarding_steps TO postern_platform;


--
-- Name: TABLE offboardings; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.offboardings TO postern_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.offboardings TO postern_platform;


--
-- Name: TABLE passkeys; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.passkeys TO postern_platform;


--
-- Name: TABLE receipts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.receipts TO postern_app;
GRANT SELECT ON TABLE public.receipts TO postern_platform;


--
-- Name: TABLE refresh_leases; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.refresh_leases TO postern_app;


--
-- Name: TABLE replays; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.replays TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.replays TO postern_platform;


--
-- Name: TABLE schedules; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.schedules TO postern_app;


--
-- Name: TABLE sealed; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sealed TO postern_app;


--
-- Name: TABLE sends_once; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sends_once TO postern_app;


--
-- Name: TABLE service_accounts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.service_accounts TO postern_platform;


--
-- Name: TABLE service_nonces; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.service_nonces TO postern_platform;


--
-- Name: TABLE sessions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sessions TO postern_platform;


--
-- Name: TABLE severances; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.severances TO postern_app;
GRANT SELECT ON TABLE public.severances TO postern_platform;


--
-- Name: TABLE tenants; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.tenants TO postern_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.tenants TO postern_platform;


--
-- Name: COLUMN tenants.id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(id) ON TABLE public.tenants TO postern_lookup;


--
-- Name: COLUMN tenants.region; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(region) ON TABLE public.tenants TO postern_lookup;


--
-- Name: COLUMN tenants.state; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(state) ON TABLE public.tenants TO postern_app;
GRANT SELECT(state) ON TABLE public.tenants TO postern_lookup;


--
-- Name: COLUMN tenants.updated_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(updated_at) ON TABLE public.tenants TO postern_app;


--
-- Name: TABLE token_families; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.token_families TO postern_app;
GRANT SELECT ON TABLE public.token_families TO postern_platform;


--
-- Name: TABLE verification_counts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.verification_counts TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.verification_counts TO postern_platform;


--
-- Name: TABLE verification_hours; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.verification_hours TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.verification_hours TO postern_platform;


--
-- Name: TABLE verifications; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.verifications TO postern_app;
GRANT SELECT,INSERT ON TABLE public.verifications TO postern_platform;


--
-- Name: TABLE watch_keepers; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.watch_keepers TO postern_platform;


--
-- Name: TABLE watches; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,DELETE,UPDATE ON TABLE public.watches TO postern_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.watches TO postern_platform;


--
-- Name: TABLE webhook_health; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_health TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_health TO postern_platform;


--
-- Name: TABLE webhook_lanes; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_lanes TO postern_platform;


--
-- Name: TABLE webhook_secrets; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_secrets TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_secrets TO postern_platform;


--
-- Name: TABLE webhooks; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhooks TO postern_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhooks TO postern_platform;


--
-- Name: TABLE witnesses; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.witnesses TO postern_platform;


--
-- PostgreSQL database dump complete
--


