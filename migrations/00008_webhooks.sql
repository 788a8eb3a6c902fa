-- What sending and checking webhooks need beside their first tables.
--
-- webhook_health is apart from webhooks, so that a delivery never waits for somebody who edits the destination. known_signatures keeps keyed
-- digests of signatures that were genuine: when one of them comes back with another body, the body was altered on the way. Neither table
-- holds a signature, a secret or a payload.

-- +goose Up
CREATE TABLE webhook_health (
    application_id  uuid NOT NULL,
    webhook_id      uuid NOT NULL,
    failing_since   timestamptz, -- first failure after the last success
    last_success_at timestamptz,
    last_failure_at timestamptz,
    PRIMARY KEY (application_id, webhook_id),
    FOREIGN KEY (application_id, webhook_id) REFERENCES webhooks (application_id, id) ON DELETE CASCADE
);
ALTER TABLE webhook_health ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_health FORCE ROW LEVEL SECURITY;
CREATE POLICY application ON webhook_health TO postern_app
    USING (application_id = (SELECT sec.application())) WITH CHECK (application_id = (SELECT sec.application()));
CREATE POLICY platform ON webhook_health TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_health TO postern_app, postern_platform;

CREATE TABLE known_signatures (
    digest  bytea PRIMARY KEY CHECK (length(digest) = 32),
    seen_at timestamptz NOT NULL
);
CREATE INDEX known_signatures_by_time ON known_signatures (seen_at);
GRANT SELECT, INSERT, DELETE ON known_signatures TO postern_platform;

-- One self-check an application, however many processes start at once.
CREATE UNIQUE INDEX inbound_self_once ON inbound_endpoints (application_id) WHERE kind = 'self';
CREATE INDEX verifications_of_event ON verifications (event_id, at DESC, id DESC) WHERE event_id <> '';
CREATE INDEX verifications_of_application ON verifications (application_id, at DESC, id DESC);

-- +goose Down
DROP INDEX verifications_of_application, verifications_of_event, inbound_self_once;
DROP TABLE known_signatures, webhook_health;
