-- The verification log's indexes in rising order. A list of the newest reads them backwards, which costs the same. To write, rising order is cheaper: a new row then goes to the
-- end of its value's part of an index, where a page is split so that it stays full, and not to the beginning, where each page is left half empty. Measured on PostgreSQL 15: a fifth
-- less of processor time and of write-ahead log for each row, and smaller indexes.
--
-- Each index is built anew, which holds up writers of the log meanwhile: about a minute for ten million rows.

-- +goose Up
DROP INDEX verifications_by_reason, verifications_by_source, verifications_by_type, verifications_by_verdict, verifications_of_application, verifications_of_endpoint,
    verifications_of_event, verifications_of_tenant, verifications_of_webhook, verifications_refused_at_endpoint, verifications_refused_of_tenant;
CREATE INDEX verifications_by_reason ON verifications (reason, at, id);
CREATE INDEX verifications_by_source ON verifications (source, at, id);
CREATE INDEX verifications_by_type ON verifications (event_type, at, id) WHERE event_type <> '';
CREATE INDEX verifications_by_verdict ON verifications (verdict, at, id);
CREATE INDEX verifications_of_application ON verifications (application_id, at, id);
CREATE INDEX verifications_of_endpoint ON verifications (endpoint_id, at, id) WHERE endpoint_id IS NOT NULL;
CREATE INDEX verifications_of_event ON verifications (event_id, at, id) WHERE event_id <> '';
CREATE INDEX verifications_of_tenant ON verifications (tenant_id, at, id) WHERE tenant_id IS NOT NULL;
CREATE INDEX verifications_of_webhook ON verifications (webhook_id, at, id) WHERE webhook_id IS NOT NULL;
CREATE INDEX verifications_refused_at_endpoint ON verifications (endpoint_id, reason, at, id) WHERE (verdict = 'refused') AND (endpoint_id IS NOT NULL);
CREATE INDEX verifications_refused_of_tenant ON verifications (tenant_id, at, id) WHERE (verdict = 'refused') AND (tenant_id IS NOT NULL);

-- +goose Down
DROP INDEX verifications_by_reason, verifications_by_source, verifications_by_type, verifications_by_verdict, verifications_of_application, verifications_of_endpoint,
    verifications_of_event, verifications_of_tenant, verifications_of_webhook, verifications_refused_at_endpoint, verifications_refused_of_tenant;
CREATE INDEX verifications_by_reason ON verifications (reason, at DESC, id DESC);
CREATE INDEX verifications_by_source ON verifications (source, at DESC, id DESC);
CREATE INDEX verifications_by_type ON verifications (event_type, at DESC, id DESC) WHERE event_type <> '';
CREATE INDEX verifications_by_verdict ON verifications (verdict, at DESC, id DESC);
CREATE INDEX verifications_of_application ON verifications (application_id, at DESC, id DESC);
CREATE INDEX verifications_of_endpoint ON verifications (endpoint_id, at DESC, id DESC) WHERE endpoint_id IS NOT NULL;
CREATE INDEX verifications_of_event ON verifications (event_id, at DESC, id DESC) WHERE event_id <> '';
CREATE INDEX verifications_of_tenant ON verifications (tenant_id, at DESC, id DESC) WHERE tenant_id IS NOT NULL;
CREATE INDEX verifications_of_webhook ON verifications (webhook_id, at DESC, id DESC) WHERE webhook_id IS NOT NULL;
CREATE INDEX verifications_refused_at_endpoint ON verifications (endpoint_id, reason, at DESC, id DESC) WHERE (verdict = 'refused') AND (endpoint_id IS NOT NULL);
CREATE INDEX verifications_refused_of_tenant ON verifications (tenant_id, at DESC, id DESC) WHERE (verdict = 'refused') AND (tenant_id IS NOT NULL);
