-- Sends that must happen once: what a program's Idempotency-Key stood for, for an hour.
--
-- A program whose connection broke cannot know whether its message left. It asks again with the same key, and gets the first answer instead of a second
-- message. Of the message nothing is kept but its ids; key and content are digests, the content's keyed with the key, so that it cannot be guessed.

-- +goose Up
CREATE TABLE sends_once (
    tenant_id    uuid NOT NULL,
    grant_id     uuid NOT NULL,
    key_hash     bytea NOT NULL CHECK (length(key_hash) = 32),
    request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
    state        text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'sent', 'unknown')), -- unknown: the provider's answer never came
    message_id   text NOT NULL DEFAULT '',
    thread_id    text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, grant_id, key_hash),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE sends_once ENABLE ROW LEVEL SECURITY;
ALTER TABLE sends_once FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sends_once TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON sends_once TO postern_app;

-- +goose Down
DROP TABLE sends_once;
