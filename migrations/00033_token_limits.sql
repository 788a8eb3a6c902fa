-- An access or refresh token is no wider than the API key that it was issued to: it keeps that key's limits. Otherwise a key that may not send could get itself a token
-- that may. Tokens of before keep what they could do; they live an hour.

-- +goose Up
ALTER TABLE issued_tokens ADD COLUMN permissions text[] NOT NULL DEFAULT '{}'; -- empty: all that a token can do
ALTER TABLE issued_tokens ADD COLUMN addresses text[] NOT NULL DEFAULT '{}'; -- CIDRs; empty: from anywhere

-- +goose Down
ALTER TABLE issued_tokens DROP COLUMN addresses, DROP COLUMN permissions;
