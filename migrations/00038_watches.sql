-- Watching of mailboxes: which process watches which grant, and how far it has looked.
--
-- A mailbox is watched by one process at a time. Each process keeps one row of its own alive in watch_keepers, whatever the number of its mailboxes; a watch whose
-- holder has no living row is free, and whoever takes it raises its fence. What a look found is written, with the events it makes, only where holder, fence and
-- version are still those it began with: two processes that look at one mailbox tell a change once.
--
-- How far a mailbox was looked at names folders and may hold a provider's secret: it is sealed, under owner_kind 'watch' with the grant's id.

-- +goose Up
CREATE TABLE watch_keepers (
    id    uuid PRIMARY KEY, -- a process, by an id it made at its start
    until timestamptz NOT NULL -- by the database's clock, the only one that all processes share
);
GRANT SELECT, INSERT, UPDATE, DELETE ON watch_keepers TO postern_platform;

CREATE TABLE watches (
    tenant_id      uuid NOT NULL,
    grant_id       uuid NOT NULL,
    application_id uuid NOT NULL,
    holder         uuid, -- null: nobody
    fence          bigint NOT NULL DEFAULT 0, -- goes up each time that it is taken
    version        bigint NOT NULL DEFAULT 0, -- of the position; 0: there is none yet
    pokes          bigint NOT NULL DEFAULT 0, -- goes up when a push says that there is something to see; whoever holds it looks
    since          timestamptz NOT NULL, -- of the position or later; the time that is in the ids of the events found from it
    PRIMARY KEY (tenant_id, grant_id),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX watches_of_holder ON watches (holder);
ALTER TABLE watches ENABLE ROW LEVEL SECURITY;
ALTER TABLE watches FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON watches TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()));
CREATE POLICY platform ON watches TO postern_platform USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE, DELETE ON watches TO postern_app;
GRANT SELECT, INSERT, UPDATE ON watches TO postern_platform;

-- +goose Down
DELETE FROM sealed WHERE owner_kind = 'watch';
DROP TABLE watches, watch_keepers;
