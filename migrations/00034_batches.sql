-- Batches: many grants are revoked or deleted by one act of one person.
--
-- A batch of one tenant carries it and is seen there; one of several tenants belongs to the platform alone. Each mailbox is a row, marked in the transaction that
-- cuts it: a batch that is killed anywhere goes on with what is not marked, and run twice it does nothing twice.

-- +goose Up
CREATE TABLE batches (
    id              uuid NOT NULL PRIMARY KEY,
    tenant_id       uuid REFERENCES tenants (id), -- null: of several tenants
    act             text NOT NULL CHECK (act IN ('revoke', 'delete')),
    reach           text NOT NULL CHECK (reach IN ('everywhere', 'here')),
    reason          text NOT NULL DEFAULT '',
    requested_by    text NOT NULL,
    requested_by_id text NOT NULL,
    requested_at    timestamptz NOT NULL,
    total           integer NOT NULL CHECK (total > 0),
    beat_at         timestamptz NOT NULL, -- a worker was at it
    ended_at        timestamptz -- every mailbox has an outcome; providers may still be asked
);
CREATE INDEX batches_by_time ON batches (requested_at DESC, id DESC);
CREATE INDEX batches_of_tenant ON batches (tenant_id, requested_at DESC, id DESC) WHERE tenant_id IS NOT NULL;
CREATE INDEX batches_open ON batches (beat_at) WHERE ended_at IS NULL;

CREATE TABLE batch_items (
    tenant_id    uuid NOT NULL REFERENCES tenants (id),
    batch_id     uuid NOT NULL REFERENCES batches (id),
    grant_id     uuid NOT NULL, -- no foreign key: a deleted grant stays listed
    place        integer NOT NULL,
    email        text NOT NULL,
    provider     text NOT NULL,
    outcome      text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'cut', 'already', 'gone', 'offboarding')), -- empty: not yet
    severance_id uuid,
    attempts     integer NOT NULL DEFAULT 0,
    done_at      timestamptz,
    PRIMARY KEY (tenant_id, batch_id, grant_id),
    FOREIGN KEY (tenant_id, severance_id) REFERENCES severances (tenant_id, id),
    CHECK ((outcome = '') = (done_at IS NULL))
);
CREATE UNIQUE INDEX batch_items_in_order ON batch_items (batch_id, place);
CREATE INDEX batch_items_left ON batch_items (batch_id, attempts, place) WHERE outcome = '';

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['batches', 'batch_items'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO postern_app USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()))', t);
        EXECUTE format('CREATE POLICY platform ON %I TO postern_platform USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO postern_app, postern_platform', t);
    END LOOP;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE batch_items, batches;
