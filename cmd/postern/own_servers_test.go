package main

import (
	"slices"
	"testing"
)

// TestOwnServers: the guard is told of every host of the database and of the key service; a socket is none.
func TestOwnServers(t *testing.T) {
	t.Setenv("VAULT_SERVER_URL", "https://vault.internal:8200")
	t.Setenv("AWS_ENDPOINT_URL_KMS", "")
	t.Setenv("AWS_ENDPOINT_URL", "")
	for dsn, want := range map[string][]string{
		"postgres://u:p@db.internal/postern":                                        {"db.internal:5432", "vault.internal:8200", "kms.eu-central-1.amazonaws.com:https"},
		"postgres://u:p@one:5433,two:5434/postern?sslmode=require":                  {"one:5433", "two:5434", "vault.internal:8200", "kms.eu-central-1.amazonaws.com:https"},
		"postgres:///postern?host=/var/run/postgresql&user=postern&sslmode=disable": {"vault.internal:8200", "kms.eu-central-1.amazonaws.com:https"},
	} {
		got := ownServers(&config{KeyURL: "hashivault://postern", KeyURLBefore: "awskms:///alias/postern?region=eu-central-1"}, dsn)
		slices.Sort(got)
		got = slices.Compact(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", dsn, got, want)
		}
	}
}
