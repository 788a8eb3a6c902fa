-- Witnesses: where the audit log's checkpoints are published, so that whoever rewrites the database cannot rewrite what others have seen.
--
-- One row a witness: how far it was told, and what is wrong with it. The newest checkpoint says everything that those before it said, so what was missed while a witness was
-- down needs no queue. A process that tells a witness holds its row by a lease that ends by itself; no connection is held meanwhile.

-- +goose Up
CREATE TABLE witnesses (
    name         text PRIMARY KEY, -- kind and digest of the target: addresses may hold a token
    shown        text NOT NULL, -- for people: kind, and file or host
    size         bigint NOT NULL DEFAULT 0, -- of the last checkpoint that it took
    published_at timestamptz,
    tries        integer NOT NULL DEFAULT 0, -- in vain, since
    problem      text NOT NULL DEFAULT '',
    next_at      timestamptz NOT NULL,
    held_until   timestamptz
);
GRANT SELECT, INSERT, UPDATE, DELETE ON witnesses TO postern_platform;

-- +goose Down
DROP TABLE witnesses;
