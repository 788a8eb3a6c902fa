-- Replays: sending again all that was given up since a time. It may be millions of deliveries, so a job does it in pieces, and a row says how far it is.

-- +goose Up
CREATE TABLE replays (
    application_id uuid NOT NULL,
    id             uuid NOT NULL,
    webhook_id     uuid NOT NULL,
    which          text NOT NULL CHECK (which IN ('failed', 'never_attempted')),
    since          timestamptz NOT NULL,
    actor          text NOT NULL,
    total          integer NOT NULL,
    done           integer NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL,
    finished_at    timestamptz,
    stopped        text NOT NULL DEFAULT '', -- why it ended early, in words
    PRIMARY KEY (application_id, id),
    FOREIGN KEY (application_id, webhook_id) REFERENCES webhooks (application_id, id) ON DELETE CASCADE
);
CREATE INDEX replays_of_webhook ON replays (webhook_id, created_at DESC);
ALTER TABLE replays ENABLE ROW LEVEL SECURITY;
ALTER TABLE replays FORCE ROW LEVEL SECURITY;
CREATE POLICY application ON replays TO postern_app
    USING (application_id = (SELECT sec.application())) WITH CHECK (application_id = (SELECT sec.application()));
CREATE POLICY platform ON replays TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON replays TO postern_app, postern_platform;

-- What is wrong with webhooks stands above every page of staff: few rows, asked for often.
CREATE INDEX webhooks_in_trouble ON webhooks (status_at DESC) WHERE status IN ('failing', 'failed') AND deleted_at IS NULL;

-- +goose Down
DROP INDEX webhooks_in_trouble;
DROP TABLE replays;
