-- What is left at the provider after a grant by delegation is another matter, for other people: the receipt and the list of what may still be live have to know.
-- +goose Up
ALTER TABLE severances ADD COLUMN delegated boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE severances DROP COLUMN delegated;
