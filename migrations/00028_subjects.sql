-- A provider's security event names a person by the subject alone: the grants of that person are found in any tenant.

--
-- And one table goes that nothing uses: what is put off while a sender rotates its secret is not kept, the sender's next attempt is judged.

-- +goose Up
DROP TABLE IF EXISTS inbound_waiting;
CREATE INDEX grants_of_subject ON grants (provider, subject);

-- +goose Down
DROP INDEX grants_of_subject;
CREATE TABLE inbound_waiting (
    endpoint_id uuid NOT NULL REFERENCES inbound_endpoints (id),
    id          uuid PRIMARY KEY,
    at          timestamptz NOT NULL,
    digest      bytea NOT NULL,
    until       timestamptz NOT NULL,
    address     text NOT NULL DEFAULT '',
    UNIQUE (endpoint_id, digest)
);
