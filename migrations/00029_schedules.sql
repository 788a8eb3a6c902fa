-- Scheduled sends: a message that is to leave later, sealed until then.
--
-- The row says when and how it stands, and nothing of the message: that is in sealed, under owner_kind 'schedule', and is destroyed when it has left, was
-- cancelled, or its grant was cut. A schedule is taken by 'pending' becoming 'sending' in one statement, so that two workers do not send twice.

-- +goose Up
CREATE TABLE schedules (
    tenant_id      uuid NOT NULL,
    id             uuid NOT NULL,
    application_id uuid NOT NULL REFERENCES applications (id),
    grant_id       uuid NOT NULL,
    send_at        timestamptz NOT NULL,
    status         text NOT NULL CHECK (status IN ('pending', 'sending', 'sent', 'failed', 'unknown', 'cancelled')), -- unknown: it may have left
    reason         text NOT NULL DEFAULT '', -- a code: why it failed or was cancelled
    tries          integer NOT NULL DEFAULT 0,
    message_id     text NOT NULL DEFAULT '', -- the provider's, once sent
    created_at     timestamptz NOT NULL,
    taken_at       timestamptz, -- by the worker that sends, or sent, it
    closed_at      timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants (tenant_id, id) ON DELETE CASCADE,
    CHECK ((closed_at IS NULL) = (status IN ('pending', 'sending')))
);
CREATE INDEX schedules_of_grant ON schedules (tenant_id, grant_id, send_at DESC, id DESC);
ALTER TABLE schedules ENABLE ROW LEVEL SECURITY;
ALTER TABLE schedules FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON schedules TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON schedules TO postern_app;

-- +goose Down
DELETE FROM sealed WHERE owner_kind = 'schedule';
DROP TABLE schedules;
