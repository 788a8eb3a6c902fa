-- A source that is paused puts its sender off without refusing anything for good, and what comes in while the sender's secret changes is kept until the new one
-- arrives.
--
-- A sender such as Nylas' cloud signs with its new secret at once. Calls that no known secret explains are answered 503 while a rotation is declared, and wait
-- here for at most the ten minutes of that window: sealed, bounded in number, and judged when the secret is entered. What is not explained then is destroyed.

-- +goose Up
ALTER TABLE inbound_endpoints ADD COLUMN paused_at timestamptz;
CREATE TABLE inbound_waiting (
    endpoint_id uuid NOT NULL REFERENCES inbound_endpoints (id),
    id          uuid PRIMARY KEY, -- of its row in the log; its sealed value is under owner kind inbound_call
    at          timestamptz NOT NULL,
    digest      bytea NOT NULL, -- of the body: the sender's next attempt does not wait twice
    until       timestamptz NOT NULL,
    address     text NOT NULL DEFAULT '',
    UNIQUE (endpoint_id, digest)
);
CREATE INDEX inbound_waiting_by_end ON inbound_waiting (until);
GRANT SELECT, INSERT, DELETE ON inbound_waiting TO postern_platform;

-- +goose Down
DROP TABLE inbound_waiting;
ALTER TABLE inbound_endpoints DROP COLUMN paused_at;
