-- Pushes of providers that are asked for one mailbox at a time (Microsoft Graph subscriptions).
--
-- A push wakes whoever watches the mailbox (watches.pokes). When the provider says that it has ended the pushes, or is about to, lapses goes up as well, and whoever
-- watches asks for them anew. A severance whose mailbox was watched knows it (pushed): the provider is told to end them before the credential is destroyed.

-- +goose Up
ALTER TABLE watches ADD COLUMN lapses bigint NOT NULL DEFAULT 0; -- goes up when the provider says that its pushes end
ALTER TABLE severances ADD COLUMN pushed boolean NOT NULL DEFAULT false; -- pushes may have to be ended at the provider

-- +goose Down
ALTER TABLE severances DROP COLUMN pushed;
ALTER TABLE watches DROP COLUMN lapses;
