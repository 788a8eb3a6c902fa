-- What came of deliveries, summed by the hour as it is recorded: a chart over days reads some hundreds of rows, however many deliveries there were. A webhook is sent to by one process
-- at a time, so one row for each outcome is no place where many wait.
--
-- The list's index rises from here on, for the reason that 00040 gives: a new delivery goes to the end of its webhook's part, and pages stay full.

-- +goose Up
CREATE TABLE delivery_hours (
    application_id uuid NOT NULL,
    webhook_id     uuid NOT NULL,
    hour           timestamptz NOT NULL,
    outcome        text NOT NULL CHECK (outcome IN ('delivered', 'waiting', 'failed', 'dropped')), -- waiting: an attempt failed, and another follows
    count          bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (webhook_id, hour, outcome),
    FOREIGN KEY (application_id, webhook_id) REFERENCES webhooks (application_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50); -- one row is written often: room for its next version on the same page
ALTER TABLE delivery_hours ENABLE ROW LEVEL SECURITY;
ALTER TABLE delivery_hours FORCE ROW LEVEL SECURITY;
CREATE POLICY application ON delivery_hours TO postern_app
    USING (application_id = (SELECT sec.application())) WITH CHECK (application_id = (SELECT sec.application()));
CREATE POLICY platform ON delivery_hours TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON delivery_hours TO postern_app, postern_platform;

INSERT INTO delivery_hours (application_id, webhook_id, hour, outcome, count)
SELECT d.application_id, d.webhook_id, date_trunc('hour', d.settled_at, 'UTC'), d.status, count(*)
FROM deliveries d JOIN webhooks w ON w.application_id = d.application_id AND w.id = d.webhook_id WHERE d.settled_at IS NOT NULL GROUP BY 1, 2, 3, 4;

DROP INDEX deliveries_of_webhook;
CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, created_at, id);

-- +goose Down
DROP INDEX deliveries_of_webhook;
CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, created_at DESC, id DESC);
DROP TABLE delivery_hours;
