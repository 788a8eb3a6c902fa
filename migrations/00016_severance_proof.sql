-- Severances: how far an act reaches, and what a customer confirmed; receipts point at the audit entry that commits to them.
--
-- Google keeps one permission for a person and an app: revoking it for one tenant ends it for every tenant that the same person connected through the same app. reach
-- says whether that was wanted. What may still be live at a provider stays on one list until somebody writes down that the customer confirmed its end.

-- +goose Up
ALTER TABLE severances
    ADD COLUMN reach           text NOT NULL DEFAULT 'everywhere' CHECK (reach IN ('everywhere', 'here')),
    ADD COLUMN confirmed_at    timestamptz,
    ADD COLUMN confirmed_by    text NOT NULL DEFAULT '',
    ADD COLUMN confirmed_by_id text NOT NULL DEFAULT '',
    ADD COLUMN confirmed_note  text NOT NULL DEFAULT '';
CREATE INDEX severances_live ON severances (cut_at DESC, id DESC) WHERE confirmed_at IS NULL AND outcome IN ('', 'deleted-here-only', 'user-action-needed');
ALTER TABLE receipts ADD COLUMN entry_id uuid; -- null: written before the log committed to receipts

-- +goose Down
ALTER TABLE receipts DROP COLUMN entry_id;
DROP INDEX severances_live;
ALTER TABLE severances DROP COLUMN reach, DROP COLUMN confirmed_at, DROP COLUMN confirmed_by, DROP COLUMN confirmed_by_id, DROP COLUMN confirmed_note;
