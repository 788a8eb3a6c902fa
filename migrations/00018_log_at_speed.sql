-- The verification log at 10,000 calls a second and over 50 million rows.
--
-- Two indexes repeated what others already say: the primary key reads backwards as well as forwards, and an id names its own millisecond, so a row
-- is found by its time. In their place every filter of the page has one of its own, partial where most rows have nothing there.
-- Counting millions of rows for a chart takes seconds, so the writer keeps the sums: one row an hour for each combination, in the transaction of
-- the rows themselves. shard is a number that each process draws for itself; two processes never wait for one row. Rows with total set hold the
-- sums over tenants, endpoints and types, so that an unfiltered chart does not read one row for each customer.

-- +goose Up
DROP INDEX verifications_by_time, verifications_by_id, verifications_of_tenant, verifications_of_webhook;
CREATE INDEX verifications_of_tenant ON verifications (tenant_id, at DESC, id DESC) WHERE tenant_id IS NOT NULL;
CREATE INDEX verifications_of_webhook ON verifications (webhook_id, at DESC, id DESC) WHERE webhook_id IS NOT NULL;
CREATE INDEX verifications_of_endpoint ON verifications (endpoint_id, at DESC, id DESC) WHERE endpoint_id IS NOT NULL;
CREATE INDEX verifications_by_type ON verifications (event_type, at DESC, id DESC) WHERE event_type <> '';
-- What is rare in a big customer's log, or at a busy endpoint, is what people look for.
CREATE INDEX verifications_refused_of_tenant ON verifications (tenant_id, at DESC, id DESC) WHERE verdict = 'refused' AND tenant_id IS NOT NULL;
CREATE INDEX verifications_refused_at_endpoint ON verifications (endpoint_id, reason, at DESC, id DESC) WHERE verdict = 'refused' AND endpoint_id IS NOT NULL;
CREATE INDEX verification_counts_of_endpoint ON verification_counts (endpoint_id, minute DESC);
CREATE INDEX verification_counts_of_webhook ON verification_counts (webhook_id, minute DESC) WHERE webhook_id IS NOT NULL;

CREATE TABLE verification_hours (
    hour           timestamptz NOT NULL,
    shard          smallint NOT NULL,
    key            bytea NOT NULL, -- digest of the columns that follow, up to count
    total          boolean NOT NULL, -- sum over tenants, endpoints, webhooks and types of the application
    application_id uuid,
    tenant_id      uuid,
    endpoint_id    uuid,
    webhook_id     uuid,
    source         text NOT NULL,
    event_type     text NOT NULL,
    verdict        text NOT NULL,
    reason         text NOT NULL,
    count          bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (hour, shard, key)
) WITH (fillfactor = 50); -- one row is written often: room for its next version on the same page
CREATE INDEX verification_hours_total ON verification_hours (hour) WHERE total;
CREATE INDEX verification_hours_of_tenant ON verification_hours (tenant_id, hour) WHERE tenant_id IS NOT NULL;
CREATE INDEX verification_hours_of_endpoint ON verification_hours (endpoint_id, hour) WHERE endpoint_id IS NOT NULL;
CREATE INDEX verification_hours_of_webhook ON verification_hours (webhook_id, hour) WHERE webhook_id IS NOT NULL;
CREATE INDEX verification_hours_by_type ON verification_hours (event_type, hour) WHERE event_type <> '';
ALTER TABLE verification_hours ENABLE ROW LEVEL SECURITY;
ALTER TABLE verification_hours FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON verification_hours TO postern_app
    USING (tenant_id = (SELECT sec.tenant()) OR application_id = (SELECT sec.application()))
    WITH CHECK (tenant_id = (SELECT sec.tenant()) OR application_id = (SELECT sec.application()));
CREATE POLICY platform ON verification_hours TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON verification_hours TO postern_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON verification_hours TO postern_platform;

INSERT INTO verification_hours (hour, shard, key, total, application_id, tenant_id, endpoint_id, webhook_id, source, event_type, verdict, reason, count)
SELECT date_trunc('hour', at, 'UTC'), -1, sha256(convert_to(concat_ws('|', 'moved', row_number() OVER ()), 'UTF8')), false, application_id, tenant_id, endpoint_id, webhook_id,
    source, event_type, verdict, reason, count(*)
FROM verifications GROUP BY date_trunc('hour', at, 'UTC'), application_id, tenant_id, endpoint_id, webhook_id, source, event_type, verdict, reason;
INSERT INTO verification_hours (hour, shard, key, total, application_id, source, event_type, verdict, reason, count)
SELECT hour, -1, sha256(convert_to(concat_ws('|', 'moved total', row_number() OVER ()), 'UTF8')), true, application_id, source, '', verdict, reason, sum(count)
FROM verification_hours GROUP BY hour, application_id, source, verdict, reason;

-- +goose Down
DROP TABLE verification_hours;
DROP INDEX verification_counts_of_webhook, verification_counts_of_endpoint, verifications_refused_at_endpoint, verifications_refused_of_tenant,
    verifications_by_type, verifications_of_endpoint, verifications_of_webhook, verifications_of_tenant;
CREATE INDEX verifications_by_time ON verifications (at DESC, id DESC);
CREATE INDEX verifications_of_tenant ON verifications (tenant_id, at DESC, id DESC);
CREATE INDEX verifications_of_webhook ON verifications (webhook_id, at DESC, id DESC);
CREATE INDEX verifications_by_id ON verifications (id);
