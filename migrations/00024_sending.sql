-- Sending in batches, one lane a destination.
--
-- A job of the queue and three transactions a delivery cost more than the call itself. So an event leaves one narrow row in event_queue, committed with its
-- cause; a sender takes those rows in batches and makes the deliveries of them; and one process at a time, the holder of a webhook's lane, reads
-- what is due, calls, and writes the outcomes in one statement. A lane is a lease: when its holder dies another takes it a few seconds later. Two
-- holders at once would send twice, never lose: an outcome is written only where the attempt before it was.
--
-- The foreign keys from attempts to deliveries to webhooks go, for two reasons: each row of millions asked for its parent, and deleting a webhook
-- cascaded through all of them in one request. A webhook is marked deleted, and what it leaves is removed in pieces.

-- +goose Up
CREATE TABLE event_queue (
    place     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    event_id  uuid NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE event_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE event_queue FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON event_queue TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()));
CREATE POLICY platform ON event_queue TO postern_platform USING (true) WITH CHECK (true);
GRANT INSERT ON event_queue TO postern_app;
GRANT SELECT, UPDATE, DELETE ON event_queue TO postern_platform; -- UPDATE is what FOR UPDATE asks for

CREATE TABLE webhook_lanes (
    webhook_id uuid PRIMARY KEY,
    holder     uuid NOT NULL, -- a process, by an id it made at its start
    until      timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_lanes TO postern_platform;

ALTER TABLE deliveries DROP CONSTRAINT deliveries_application_id_webhook_id_fkey;
CREATE INDEX deliveries_waiting ON deliveries (webhook_id, next_attempt_at, id) WHERE status = 'waiting';
CREATE INDEX deliveries_given_up ON deliveries (webhook_id, status, created_at, id) WHERE status IN ('failed', 'dropped');

ALTER TABLE attempts DROP CONSTRAINT attempts_application_id_delivery_id_fkey, DROP CONSTRAINT attempts_pkey, ADD PRIMARY KEY (application_id, delivery_id, number);
DROP INDEX attempts_of_delivery;

ALTER TABLE webhooks ADD COLUMN deleted_at timestamptz;

-- The keyed digest of the payload: what is left of it when it is destroyed.
ALTER TABLE events ADD COLUMN digest bytea NOT NULL DEFAULT '';
GRANT DELETE ON events TO postern_platform;

-- +goose Down
REVOKE DELETE ON events FROM postern_platform;
ALTER TABLE events DROP COLUMN digest;
DELETE FROM webhooks WHERE deleted_at IS NOT NULL;
ALTER TABLE webhooks DROP COLUMN deleted_at;
CREATE INDEX attempts_of_delivery ON attempts (delivery_id, number);
ALTER TABLE attempts DROP CONSTRAINT attempts_pkey, ADD PRIMARY KEY (application_id, id);
DROP INDEX deliveries_given_up, deliveries_waiting;
DELETE FROM deliveries d WHERE NOT EXISTS (SELECT FROM webhooks w WHERE w.application_id = d.application_id AND w.id = d.webhook_id);
DELETE FROM attempts a WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.application_id = a.application_id AND d.id = a.delivery_id);
ALTER TABLE deliveries ADD FOREIGN KEY (application_id, webhook_id) REFERENCES webhooks (application_id, id) ON DELETE CASCADE;
ALTER TABLE attempts ADD FOREIGN KEY (application_id, delivery_id) REFERENCES deliveries (application_id, id) ON DELETE CASCADE;
DROP TABLE webhook_lanes, event_queue;
