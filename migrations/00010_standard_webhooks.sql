-- A webhook may be signed by the Standard Webhooks scheme too, beside the v3 header: a receiver that reads only the one it knows is unchanged.

-- +goose Up
ALTER TABLE webhooks ADD COLUMN standard boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE webhooks DROP COLUMN standard;
