-- A provider may say, beside its refusal, that it ended an access token itself (Microsoft's continuous access evaluation). One refresh is tried; what comes of it decides whether
-- the grant was cut at the provider.
-- +goose Up
ALTER TABLE grants ADD COLUMN challenged_at timestamptz, ADD COLUMN challenged_credential integer NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE grants DROP COLUMN challenged_at, DROP COLUMN challenged_credential;
