package store_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// rows is every model that a table has.
var rows = []interface{ TableName() string }{
	models.Tenant{}, models.Application{}, models.CallbackURI{}, models.Connector{}, models.APIKey{}, models.ServiceAccount{}, models.ServiceNonce{}, models.Member{}, models.Membership{}, models.Passkey{}, models.Session{},
	models.Invite{}, models.ConnectLink{}, models.ConnectFlow{}, models.Grant{}, models.TokenFamily{}, models.IssuedToken{}, models.Severance{}, models.Receipt{}, models.Webhook{},
	models.WebhookSecret{}, models.Event{}, models.Delivery{}, models.Attempt{}, models.InboundEndpoint{}, models.Verification{}, models.AuditEntry{}, models.CapabilityUse{}, models.InboundSecret{}, models.RefusalCount{}, models.WebhookHealth{}, models.Checkpoint{}, store.DataKey{}, store.Sealed{}, models.KeyRotation{}, models.KeyCount{}, models.GuestPass{}, models.GuestView{}, models.EgressHost{}, models.EvidencePack{}, models.EvidenceDocument{}, models.Batch{}, models.BatchItem{},
}

func columnsOfModels() map[string][]string {
	out := map[string][]string{}
	for _, row := range rows {
		kind := reflect.TypeOf(row)
		var columns []string
		for i := range kind.NumField() {
			tag := kind.Field(i).Tag.Get("gorm")
			name, _, _ := strings.Cut(strings.TrimPrefix(tag, "column:"), ";")
			if tag == "" || name == "" {
				name = "(no column tag on " + kind.Field(i).Name + ")"
			}
			columns = append(columns, name)
		}
		slices.Sort(columns)
		out[row.TableName()] = columns
	}
	return out
}

var versionLine = regexp.MustCompile(`(?m)^-- Dumped.*\n|^\\(un)?restrict.*\n|^SET transaction_timeout.*\n`)

// TestSchemaFileIsTheMigrationsResult keeps migrations/schema.sql true. UPDATE_SCHEMA=1 writes it anew.
func TestSchemaFileIsTheMigrationsResult(t *testing.T) {
	dump, err := exec.LookPath("pg_dump")
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
		if len(found) == 0 && os.Getenv("CI") == "true" {
			t.Fatal("pg_dump is not installed beside Postgres")
		}
		if len(found) == 0 {
			t.Skip("pg_dump is not installed beside Postgres")
		}
		dump = found[len(found)-1]
	}
	text, err := exec.CommandContext(context.Background(), dump, "--schema-only", "--no-owner", "--exclude-schema="+store.JobsSchema, "--exclude-table=goose_db_version*", "--dbname="+storetest.Fresh(t)).CombinedOutput()
	if err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, text)
	}
	got := versionLine.ReplaceAllString(string(text), "")
	path := filepath.Join("..", "..", "migrations", "schema.sql")
	if os.Getenv("UPDATE_SCHEMA") != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Error("migrations/schema.sql is not what the migrations make: run UPDATE_SCHEMA=1 go test ./models/store -run TestSchemaFile")
	}
}

func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	ctx := context.Background()
	dsn := storetest.Fresh(t)
	steps, err := store.MigrationStatus(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	for range steps {
		if _, err := store.MigrateDown(ctx, dsn); err != nil {
			t.Fatal(err)
		}
	}
	if err := storetest.Install(ctx, dsn); err != nil {
		t.Fatal(err)
	}
}
