-- What is known of a connector's client secret: since when it is used, when it ends at the provider, whether the one before it is still kept, and what the last live
-- check saw.
--
-- A secret that runs out stops every mailbox of its provider at once, and only the provider's console knows the day: so it is asked for, and said aloud in time.

-- +goose Up
ALTER TABLE connectors
    ADD secret_at        timestamptz, -- null: there is none
    ADD secret_ends_at   timestamptz, -- null: not known, or never
    ADD secret_before_at timestamptz, -- since when the secret before it was used; null: it is not kept
    ADD checked_at       timestamptz,
    ADD check_outcome    text NOT NULL DEFAULT '' CHECK (check_outcome IN ('', 'accepted', 'refused', 'no_answer')),
    ADD check_before     text NOT NULL DEFAULT '' CHECK (check_before IN ('', 'accepted', 'refused', 'no_answer'));
UPDATE connectors SET secret_at = updated_at WHERE client_id <> '';

-- +goose Down
ALTER TABLE connectors DROP secret_at, DROP secret_ends_at, DROP secret_before_at, DROP checked_at, DROP check_outcome, DROP check_before;
