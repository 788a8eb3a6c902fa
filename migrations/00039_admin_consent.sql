-- A program may send an administrator to the provider's own page, where they approve the app for their organisation (response_type=adminconsent). Such a flow connects no
-- mailbox: it ends with a word to the program, never with a grant.
-- +goose Up
ALTER TABLE connect_flows ADD COLUMN response_type text NOT NULL DEFAULT 'code' CHECK (response_type IN ('code', 'adminconsent'));

-- +goose Down
ALTER TABLE connect_flows DROP COLUMN response_type;
