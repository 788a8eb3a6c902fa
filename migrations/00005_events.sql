-- Events and their way out: webhooks, deliveries, attempts; and their way in: endpoints and the verification log.
--
-- An event is written in the transaction of the change that caused it. Its payload is sealed. The verification log keeps the verdict and a
-- keyed digest, never a payload and never a secret.

-- +goose Up
CREATE TABLE webhooks (
    application_id      uuid NOT NULL REFERENCES applications (id),
    id                  uuid NOT NULL,
    tenant_id           uuid REFERENCES tenants (id), -- null: events of all tenants
    url                 text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    description         text NOT NULL DEFAULT '',
    trigger_types       text[] NOT NULL CHECK (cardinality(trigger_types) > 0),
    notification_emails text[] NOT NULL DEFAULT '{}',
    compressed          boolean NOT NULL DEFAULT false,
    self_check          boolean NOT NULL DEFAULT false, -- Postern's own, sent to its own receiver
    status              text NOT NULL CHECK (status IN ('active', 'pause', 'failing', 'failed')),
    status_at           timestamptz NOT NULL,
    overlap_seconds     integer NOT NULL DEFAULT 0 CHECK (overlap_seconds BETWEEN 0 AND 604800),
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (application_id, id),
    UNIQUE (id)
);

-- The secret itself is sealed under owner kind webhook_secret. valid_until is null for the one in force.
CREATE TABLE webhook_secrets (
    application_id   uuid NOT NULL,
    webhook_id       uuid NOT NULL,
    id               uuid NOT NULL,
    generation       integer NOT NULL CHECK (generation > 0),
    valid_from       timestamptz NOT NULL,
    valid_until      timestamptz,
    last_accepted_at timestamptz,
    PRIMARY KEY (application_id, id),
    UNIQUE (webhook_id, generation),
    FOREIGN KEY (application_id, webhook_id) REFERENCES webhooks (application_id, id) ON DELETE CASCADE
);

CREATE TABLE events (
    tenant_id      uuid NOT NULL REFERENCES tenants (id),
    id             uuid NOT NULL,
    application_id uuid NOT NULL,
    grant_id       uuid,
    type           text NOT NULL,
    source         text NOT NULL,
    occurred_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX events_of_application ON events (application_id, occurred_at DESC, id DESC);

CREATE TABLE deliveries (
    application_id  uuid NOT NULL,
    id              uuid NOT NULL,
    webhook_id      uuid NOT NULL,
    tenant_id       uuid, -- of the event; null for a test event
    event_id        uuid NOT NULL,
    event_type      text NOT NULL,
    status          text NOT NULL CHECK (status IN ('waiting', 'delivered', 'failed', 'dropped')),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    last_status     integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL,
    settled_at      timestamptz,
    PRIMARY KEY (application_id, id),
    FOREIGN KEY (application_id, webhook_id) REFERENCES webhooks (application_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX deliveries_once ON deliveries (webhook_id, event_id);
CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, created_at DESC, id DESC);

CREATE TABLE attempts (
    application_id uuid NOT NULL,
    id             uuid NOT NULL,
    delivery_id    uuid NOT NULL,
    number         integer NOT NULL CHECK (number > 0),
    generations    integer[] NOT NULL DEFAULT '{}', -- which secrets signed
    request        jsonb NOT NULL DEFAULT '{}',     -- headers, signatures left out
    status         integer NOT NULL DEFAULT 0,
    response       text NOT NULL DEFAULT '',        -- capped
    problem        text NOT NULL DEFAULT '',
    latency_ms     integer NOT NULL DEFAULT 0,
    started_at     timestamptz NOT NULL,
    PRIMARY KEY (application_id, id),
    FOREIGN KEY (application_id, delivery_id) REFERENCES deliveries (application_id, id) ON DELETE CASCADE
);
CREATE INDEX attempts_of_delivery ON attempts (delivery_id, number);

-- Where signed requests come in. token is in the path, so it is a name, not a secret: the signature is the proof.
CREATE TABLE inbound_endpoints (
    id             uuid PRIMARY KEY,
    application_id uuid NOT NULL REFERENCES applications (id),
    tenant_id      uuid REFERENCES tenants (id),
    name           text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('self', 'v3', 'standard')),
    webhook_id     uuid, -- kind self: whose secrets are checked
    addresses      text[] NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    disabled_at    timestamptz
);

CREATE TABLE inbound_seen (
    endpoint_id uuid NOT NULL,
    event_id    text NOT NULL,
    seen_at     timestamptz NOT NULL,
    PRIMARY KEY (endpoint_id, event_id)
);
CREATE INDEX inbound_seen_by_time ON inbound_seen (seen_at);

CREATE TABLE verifications (
    id             uuid NOT NULL,
    at             timestamptz NOT NULL,
    tenant_id      uuid, -- of the event, where the request was genuine and says so
    application_id uuid,
    endpoint_id    uuid, -- null: no such endpoint
    source         text NOT NULL, -- self, v3, standard, google, microsoft, receiver, unknown
    webhook_id     uuid,
    event_id       text NOT NULL DEFAULT '',
    event_type     text NOT NULL DEFAULT '',
    verdict        text NOT NULL CHECK (verdict IN ('accepted', 'refused')),
    reason         text NOT NULL,
    generation     integer NOT NULL DEFAULT 0,
    representation text NOT NULL DEFAULT '' CHECK (representation IN ('', 'raw', 'gzip')),
    size           bigint NOT NULL DEFAULT 0,
    digest         bytea NOT NULL DEFAULT '',
    skew_ms        bigint NOT NULL DEFAULT 0,
    address        text NOT NULL DEFAULT '',
    listed         boolean, -- on the allowlist; null: there is none
    latency_us     integer NOT NULL DEFAULT 0,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE TABLE verifications_rest PARTITION OF verifications DEFAULT;
CREATE INDEX verifications_by_time ON verifications (at DESC, id DESC);
CREATE INDEX verifications_by_reason ON verifications (reason, at DESC, id DESC);
CREATE INDEX verifications_by_verdict ON verifications (verdict, at DESC, id DESC);
CREATE INDEX verifications_of_tenant ON verifications (tenant_id, at DESC, id DESC);
CREATE INDEX verifications_of_webhook ON verifications (webhook_id, at DESC, id DESC);
CREATE INDEX verifications_by_id ON verifications (id);

-- +goose Down
DROP TABLE verifications, inbound_seen, inbound_endpoints, attempts, deliveries, events, webhook_secrets, webhooks;
