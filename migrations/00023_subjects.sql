-- A provider's security event names a person by the subject alone: the grants of that person are found in any tenant.

-- +goose Up
CREATE INDEX grants_of_subject ON grants (provider, subject);

-- +goose Down
DROP INDEX grants_of_subject;
