package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/models/store/storetest"
)

// TestEveryTenantTableHasItsWall reads the catalogue: a table with tenant_id and without forced row-level security and a policy is a hole,
// and so is a policy that says yes without asking the scope.
func TestEveryTenantTableHasItsWall(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, storetest.Fresh(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)

	rows, err := conn.Query(ctx, `
		SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
		       ARRAY(SELECT p.policyname || ': ' || array_to_string(p.roles, ',') || ': ' || COALESCE(p.qual, '') FROM pg_policies p WHERE p.schemaname = 'public' AND p.tablename = c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'tenant_id' AND NOT a.attisdropped ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for rows.Next() {
		var table string
		var forced bool
		var policies []string
		if err := rows.Scan(&table, &forced, &policies); err != nil {
			t.Fatal(err)
		}
		seen++
		if !forced {
			t.Errorf("%s carries tenant_id and row-level security is not forced on it", table)
		}
		if len(policies) == 0 {
			t.Errorf("%s has no policy", table)
		}
		for _, p := range policies {
			if strings.Contains(p, "postern_app") && !strings.Contains(p, "sec.tenant()") && !strings.Contains(p, "sec.application()") {
				t.Errorf("%s lets postern_app through without asking the scope: %s", table, p)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d tables carry tenant_id: the query has lost its subject", seen)
	}

	var partitions []string
	if err := conn.QueryRow(ctx, `SELECT COALESCE(array_agg(c.relname::text || ' to ' || g.grantee), '{}') FROM pg_class c JOIN information_schema.role_table_grants g
		ON g.table_name = c.relname WHERE c.relispartition AND g.grantee IN ('postern_app', 'postern_platform', 'PUBLIC')`).Scan(&partitions); err != nil {
		t.Fatal(err)
	}
	if len(partitions) > 0 {
		t.Errorf("partitions are reachable past the policies of their parent: %v", partitions)
	}

	var definers []string
	if err := conn.QueryRow(ctx, `SELECT array_agg(n.nspname || '.' || p.proname ORDER BY 1) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')`).Scan(&definers); err != nil {
		t.Fatal(err)
	}
	slices.Sort(definers)
	want := []string{"public.audit_note", "sec.application", "sec.find_flow", "sec.find_flow_by_code", "sec.find_flow_by_state", "sec.find_grant", "sec.find_key", "sec.find_link", "sec.find_token", "sec.scope", "sec.tenant", "sec.tenant_closed", "sec.turn_access_ledger", "sec.turn_verifications"}
	if !slices.Equal(definers, want) {
		t.Errorf("functions that run with their owner's rights: %v, want %v", definers, want)
	}
	var reachable int
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'postern_platform' AND table_name IN ('sealed', 'data_keys')`).Scan(&reachable); err != nil {
		t.Fatal(err)
	}
	if reachable != 0 {
		t.Error("the platform's role can reach sealed values")
	}
}
