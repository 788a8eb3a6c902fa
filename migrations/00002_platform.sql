-- The platform: applications and how they reach providers, API keys, and the people of the portal.
--
-- These tables are the company's own. A tenant's scope does not reach them; an application's scope reaches its own rows; people are
-- reached on the platform only. Secrets are not here: connector and webhook secrets are in "sealed", keys and tokens are hashes.

-- +goose Up
CREATE TABLE tenants (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    region     text NOT NULL CHECK (region IN ('us', 'eu')),
    state      text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'offboarding', 'offboarded')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX tenants_by_name ON tenants (lower(name), id);

CREATE TABLE applications (
    id                uuid PRIMARY KEY,
    name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    environment       text NOT NULL DEFAULT 'production',
    default_tenant_id uuid REFERENCES tenants (id),
    branding          jsonb NOT NULL DEFAULT '{}',
    hosted_auth       jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);

CREATE TABLE callback_uris (
    application_id uuid NOT NULL REFERENCES applications (id),
    id             uuid NOT NULL,
    url            text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    platform       text NOT NULL DEFAULT 'web' CHECK (platform IN ('web', 'desktop', 'js', 'ios', 'android')),
    settings       jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    deleted_at     timestamptz,
    PRIMARY KEY (application_id, id)
);
CREATE UNIQUE INDEX callback_uris_live ON callback_uris (application_id, url, platform) WHERE deleted_at IS NULL;

CREATE TABLE connectors (
    application_id uuid NOT NULL REFERENCES applications (id),
    id             uuid NOT NULL,
    provider       text NOT NULL CHECK (provider ~ '^[a-z][a-z-]{1,30}$'),
    name           text NOT NULL,
    client_id      text NOT NULL DEFAULT '', -- ours, at the provider; the secret is sealed
    settings       jsonb NOT NULL DEFAULT '{}',
    scopes         text[] NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (application_id, id),
    UNIQUE (application_id, provider)
);

CREATE TABLE api_keys (
    application_id uuid NOT NULL REFERENCES applications (id),
    id             uuid NOT NULL,
    tenant_id      uuid REFERENCES tenants (id), -- null: all tenants of the application
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    prefix         text NOT NULL,                -- the first characters, for people to tell keys apart
    hash           bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    permissions    text[] NOT NULL DEFAULT '{}',
    addresses      text[] NOT NULL DEFAULT '{}', -- CIDRs; empty: any
    created_by     text NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    last_used_at   timestamptz,
    revoked_at     timestamptz,
    PRIMARY KEY (application_id, id)
);

CREATE TABLE members (
    id            uuid PRIMARY KEY,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    email         text NOT NULL CHECK (length(email) BETWEEN 3 AND 320),
    user_handle   bytea NOT NULL UNIQUE CHECK (length(user_handle) = 32), -- WebAuthn user id; holds nothing personal
    session_epoch integer NOT NULL DEFAULT 0, -- a session made under an older epoch is dead
    created_at    timestamptz NOT NULL,
    disabled_at   timestamptz
);
CREATE UNIQUE INDEX members_by_email ON members (lower(email));

CREATE TABLE memberships (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    role       text NOT NULL CHECK (role IN ('owner', 'admin', 'support', 'reviewer', 'customer')),
    tenant_id  uuid REFERENCES tenants (id),
    created_at timestamptz NOT NULL,
    CHECK (role IN ('customer', 'reviewer') OR tenant_id IS NULL),
    CHECK (role <> 'customer' OR tenant_id IS NOT NULL)
);
CREATE UNIQUE INDEX memberships_once ON memberships (member_id, role, COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000'));
CREATE INDEX memberships_by_tenant ON memberships (tenant_id) WHERE tenant_id IS NOT NULL;

CREATE TABLE passkeys (
    id            uuid PRIMARY KEY,
    member_id     uuid NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    credential_id bytea NOT NULL UNIQUE,
    credential    jsonb NOT NULL, -- public key, flags, counter: as the WebAuthn library keeps it; public
    name          text NOT NULL,
    created_at    timestamptz NOT NULL,
    last_used_at  timestamptz
);
CREATE INDEX passkeys_by_member ON passkeys (member_id);

-- A session is a row; the cookie holds a random id of which only the hash is here. data is what the gorilla session carries.
CREATE TABLE sessions (
    id_hash      bytea PRIMARY KEY CHECK (length(id_hash) = 32),
    member_id    uuid REFERENCES members (id) ON DELETE CASCADE, -- null before sign-in: a WebAuthn challenge
    epoch        integer NOT NULL DEFAULT 0,
    data         jsonb NOT NULL DEFAULT '{}',
    address      text NOT NULL DEFAULT '',
    user_agent   text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_by_member ON sessions (member_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- An invite lets one person register one passkey. It proves nothing else.
CREATE TABLE invites (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    member_id  uuid NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX invites_by_member ON invites (member_id);

-- +goose Down
DROP TABLE invites, sessions, passkeys, memberships, members, api_keys, connectors, callback_uris, applications, tenants;
