-- Consent and grants: links, flows, the grants they lead to, and the tokens we issue for them.
--
-- Everything here belongs to one tenant and one application; keys begin with the tenant, so that no row can point across.

-- +goose Up
CREATE TABLE grants (
    tenant_id        uuid NOT NULL REFERENCES tenants (id),
    id               uuid NOT NULL,
    application_id   uuid NOT NULL REFERENCES applications (id),
    provider         text NOT NULL,
    subject          text NOT NULL CHECK (length(subject) BETWEEN 1 AND 500), -- who the provider says it is; the address is a label
    email            text NOT NULL,
    name             text NOT NULL DEFAULT '',
    login            text NOT NULL DEFAULT '',
    status           text NOT NULL CHECK (status IN ('pending', 'valid', 'invalid', 'revoked')),
    status_reason    text NOT NULL, -- a code: connected, reconnected, refresh_refused, revoked_by_support ...
    status_detail    text NOT NULL DEFAULT '', -- the provider's own words, where there are any
    status_at        timestamptz NOT NULL,
    settings         jsonb NOT NULL DEFAULT '{}', -- hosts and ports; nothing secret
    scopes_requested text[] NOT NULL DEFAULT '{}',
    scopes_granted   text[] NOT NULL DEFAULT '{}',
    state            text NOT NULL DEFAULT '', -- of the program's auth request, echoed on the wire
    address          text NOT NULL DEFAULT '', -- of the person in the hosted flow
    user_agent       text NOT NULL DEFAULT '',
    credential       integer NOT NULL DEFAULT 0, -- counts the credentials held so far: a fence for refresh, a key for pools
    refused_at       timestamptz, -- the provider's first invalid_grant since the last good refresh: one alone proves nothing
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    authenticated_at timestamptz,
    last_used_at     timestamptz,
    revoked_at       timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (id),
    UNIQUE (tenant_id, application_id, provider, subject),
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
);
CREATE INDEX grants_of_application ON grants (application_id, created_at DESC, id DESC);
CREATE INDEX grants_of_application_updated ON grants (application_id, updated_at DESC, id DESC);
CREATE INDEX grants_of_tenant ON grants (tenant_id, created_at DESC, id DESC);
CREATE INDEX grants_by_email ON grants (application_id, lower(email));
CREATE INDEX grants_by_created ON grants (created_at DESC, id DESC);
CREATE INDEX grants_unwell ON grants (status_at DESC) WHERE status = 'invalid';
CREATE INDEX grants_pending ON grants (status_at) WHERE status = 'pending';

-- +goose StatementBegin
-- Which status may follow which. A revoked grant lives again only by a new consent, never by an edit.
CREATE FUNCTION grants_transition() RETURNS trigger LANGUAGE plpgsql AS $$
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
-- +goose StatementEnd
CREATE TRIGGER grants_transition BEFORE UPDATE ON grants FOR EACH ROW EXECUTE FUNCTION grants_transition();

CREATE TABLE connect_links (
    tenant_id      uuid NOT NULL REFERENCES tenants (id),
    id             uuid NOT NULL,
    application_id uuid NOT NULL REFERENCES applications (id),
    token_hash     bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    provider       text NOT NULL DEFAULT '', -- empty: the customer chooses
    capabilities   text[] NOT NULL,
    expected_email text NOT NULL DEFAULT '',
    language       text NOT NULL DEFAULT 'en',
    grant_id       uuid, -- set for a reconnect
    created_by     text NOT NULL,
    created_by_id  text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    used_at        timestamptz,
    revoked_at     timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX connect_links_of_tenant ON connect_links (tenant_id, created_at DESC, id DESC);

-- A flow belongs to one browser, one tenant, one connector and one requester from its first row to its last.
CREATE TABLE connect_flows (
    tenant_id        uuid NOT NULL REFERENCES tenants (id),
    id               uuid NOT NULL,
    application_id   uuid NOT NULL REFERENCES applications (id),
    link_id          uuid, -- null: begun by a program through /v3/connect/auth
    grant_id         uuid, -- the grant to reconnect, later the grant reached
    provider         text NOT NULL DEFAULT '',
    providers        text[] NOT NULL DEFAULT '{}', -- the choice offered
    expected_email   text NOT NULL DEFAULT '',
    login_hint       text NOT NULL DEFAULT '',
    scopes_requested text[] NOT NULL DEFAULT '{}',
    capabilities     text[] NOT NULL DEFAULT '{}',
    redirect_uri     text NOT NULL DEFAULT '',
    platform         text NOT NULL DEFAULT 'web', -- of the callback URI: decides how the code is redeemed
    client_state     text NOT NULL DEFAULT '',
    challenge        text NOT NULL DEFAULT '',
    challenge_method text NOT NULL DEFAULT '' CHECK (challenge_method IN ('', 'plain', 's256')),
    offline          boolean NOT NULL DEFAULT false,
    prompt           text NOT NULL DEFAULT '',
    browser_hash     bytea CHECK (length(browser_hash) = 32), -- set by the POST of the consent page, compared at the callback
    state_hash       bytea UNIQUE CHECK (length(state_hash) = 32),
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    spent_at         timestamptz, -- the provider's answer was taken: once
    outcome          text NOT NULL DEFAULT '',
    subject          text NOT NULL DEFAULT '',
    email            text NOT NULL DEFAULT '',
    name             text NOT NULL DEFAULT '',
    login            text NOT NULL DEFAULT '',
    settings         jsonb NOT NULL DEFAULT '{}',
    scopes_granted   text[] NOT NULL DEFAULT '{}',
    code_hash        bytea UNIQUE CHECK (length(code_hash) = 32),
    code_expires_at  timestamptz,
    code_spent_at    timestamptz,
    address          text NOT NULL DEFAULT '',
    user_agent       text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX connect_flows_of_grant ON connect_flows (tenant_id, grant_id) WHERE code_hash IS NOT NULL AND code_spent_at IS NULL;
CREATE INDEX connect_flows_by_expiry ON connect_flows (expires_at);

CREATE TABLE token_families (
    tenant_id      uuid NOT NULL,
    id             uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id       uuid NOT NULL,
    flow_id        uuid,
    created_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    revoked_reason text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX token_families_of_grant ON token_families (tenant_id, grant_id);
CREATE INDEX token_families_of_flow ON token_families (tenant_id, flow_id);

CREATE TABLE issued_tokens (
    tenant_id      uuid NOT NULL,
    id             uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id       uuid NOT NULL,
    family_id      uuid NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('access', 'refresh')),
    hash           bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes         text[] NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, family_id) REFERENCES token_families (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX issued_tokens_of_family ON issued_tokens (tenant_id, family_id);

-- A severance is the durable work of telling a provider that access has ended. It holds the sealed credential until the work is done
-- and outlives the grant. A receipt is what is left when it is closed.
CREATE TABLE severances (
    tenant_id      uuid NOT NULL REFERENCES tenants (id),
    id             uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id       uuid NOT NULL,
    act            text NOT NULL CHECK (act IN ('revoke', 'delete')),
    provider       text NOT NULL,
    subject        text NOT NULL,
    email          text NOT NULL,
    reason         text NOT NULL DEFAULT '',
    actor          text NOT NULL,
    actor_id       text NOT NULL,
    cut_at         timestamptz NOT NULL, -- from here our API refuses the grant
    attempts       integer NOT NULL DEFAULT 0,
    next_try_at    timestamptz,
    last_answer    text NOT NULL DEFAULT '',
    outcome        text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'severed-verified', 'severed-at-provider', 'deleted-here-only', 'user-action-needed')),
    destroyed_at   timestamptz,
    closed_at      timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK ((outcome = '') = (closed_at IS NULL))
);
CREATE INDEX severances_of_grant ON severances (tenant_id, grant_id);
CREATE INDEX severances_open ON severances (cut_at) WHERE closed_at IS NULL;
CREATE INDEX severances_by_time ON severances (cut_at DESC, id DESC);

CREATE TABLE receipts (
    tenant_id      uuid NOT NULL REFERENCES tenants (id),
    id             uuid NOT NULL,
    application_id uuid NOT NULL,
    severance_id   uuid NOT NULL,
    grant_id       uuid NOT NULL,
    email          text NOT NULL,
    provider       text NOT NULL,
    outcome        text NOT NULL,
    body           jsonb NOT NULL, -- steps, times, the provider's answer; never a token
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, severance_id),
    FOREIGN KEY (tenant_id, severance_id) REFERENCES severances (tenant_id, id)
);
CREATE INDEX receipts_by_time ON receipts (created_at DESC, id DESC);
CREATE INDEX receipts_of_tenant ON receipts (tenant_id, created_at DESC, id DESC);
CREATE INDEX receipts_of_grant ON receipts (tenant_id, grant_id);

-- +goose Down
DROP TABLE receipts, severances, issued_tokens, token_families, connect_flows, connect_links, grants;
DROP FUNCTION grants_transition();
