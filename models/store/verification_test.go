package store_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// TestTheLogTurns: days are made ahead, old ones go, and no runtime role can shorten the log.
func TestTheLogTurns(t *testing.T) {
	ctx, db := context.Background(), storetest.New(t, nil)
	owner, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(ctx)
	turn := func(keep, ahead int) (made, dropped int, err error) {
		err = db.OnPlatform(ctx, "test", func(tx *store.Tx) (err error) {
			made, dropped, err = tx.TurnVerifications(keep, ahead)
			return err
		})
		return made, dropped, err
	}
	if made, dropped, err := turn(400, 3); err != nil || made != 4 || dropped != 0 {
		t.Fatalf("made %d, dropped %d, %v", made, dropped, err)
	}
	if made, _, err := turn(400, 3); err != nil || made != 0 {
		t.Errorf("again: made %d, %v", made, err)
	}
	for _, statement := range []string{
		`CREATE TABLE verifications_20200101 PARTITION OF verifications FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')`,
		`INSERT INTO verifications (id, at, source, verdict, reason) SELECT gen_random_uuid(), at, 'self', 'accepted', 'ok' FROM unnest(ARRAY[now(), now() + interval '1 day', '2020-01-01', '2020-01-02', now() - interval '5 days']) at`,
	} {
		if _, err := owner.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, dropped, err := turn(30, 3); err != nil || dropped != 1 {
		t.Errorf("dropped %d, %v", dropped, err)
	}
	var left, rest int
	if err := owner.QueryRow(ctx, `SELECT (SELECT count(*) FROM verifications), (SELECT count(*) FROM verifications_rest)`).Scan(&left, &rest); err != nil || left != 3 || rest != 1 {
		t.Errorf("%d rows are left, want those of the last days; %d of them in the rest; %v", left, rest, err)
	}
	if _, _, err := turn(29, 3); err == nil {
		t.Error("the log was shortened to 29 days")
	}
	for _, statement := range []string{"DELETE FROM verifications", "SELECT count(*) FROM verifications_rest", "TRUNCATE verifications"} {
		if _, err := owner.Exec(ctx, "SET ROLE postern_platform; "+statement); err == nil {
			t.Errorf("postern_platform may %s", statement)
		}
		_, _ = owner.Exec(ctx, "RESET ROLE")
	}
	// A day that has begun in the rest is left there, and the call does not fail.
	if _, err := owner.Exec(ctx, `INSERT INTO verifications (id, at, source, verdict, reason) VALUES (gen_random_uuid(), now() + interval '5 days', 'self', 'accepted', 'ok')`); err != nil {
		t.Fatal(err)
	}
	if made, _, err := turn(30, 6); err != nil || made != 2 {
		t.Errorf("made %d of the two days that can be made, %v", made, err)
	}
}

// TestEveryFilterOfTheLogHasItsIndex reads the plans over a log of many rows: none sorts, and none reads a day from end to end.
func TestEveryFilterOfTheLogHasItsIndex(t *testing.T) {
	ctx, db := context.Background(), storetest.New(t, nil)
	owner, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(ctx)
	tenant, application, hook := models.NewID[models.TenantID](time.Now()), models.NewID[models.ApplicationID](time.Now()), models.NewID[models.WebhookID](time.Now())
	endpoint := models.NewID[models.EndpointID](time.Now())
	if err := db.OnPlatform(ctx, "test", func(tx *store.Tx) error { _, _, err := tx.TurnVerifications(400, 5); return err }); err != nil {
		t.Fatal(err)
	}
	// Each filter is asked for something rare, so that walking the log in its order would be long.
	if _, err := owner.Exec(ctx, `INSERT INTO verifications (id, at, tenant_id, application_id, webhook_id, endpoint_id, event_type, source, event_id, verdict, reason)
		SELECT gen_random_uuid(), now() + (n % 6) * interval '1 day', CASE WHEN n % 5000 = 0 THEN $1::uuid ELSE gen_random_uuid() END, CASE WHEN n % 5000 = 1 THEN $2::uuid ELSE gen_random_uuid() END,
		CASE WHEN n % 5000 = 2 THEN $3::uuid ELSE gen_random_uuid() END, CASE WHEN n % 5000 = 5 THEN $4::uuid ELSE gen_random_uuid() END, CASE WHEN n % 5000 = 6 THEN 'rare' ELSE 'type.' || n % 7 END, CASE WHEN n % 5000 = 3 THEN 'standard' ELSE 'self' END, 'evt-' || n,
		CASE WHEN n % 5000 = 4 THEN 'refused' ELSE 'accepted' END, CASE WHEN n % 5000 = 4 THEN 'stale' ELSE 'ok' END FROM generate_series(1, 60000) n`, tenant.String(), application.String(), hook.String(), endpoint.String()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(ctx, `ANALYZE verifications`); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]store.VerificationQuery{
		"none": {}, "verdict": {Verdict: "refused"}, "reason": {Reason: "stale"}, "source": {Source: "standard"}, "event": {EventID: "evt-777"}, "tenant": {Tenant: tenant},
		"application": {Application: application}, "webhook": {Webhook: hook}, "endpoint": {Endpoint: endpoint}, "event type": {EventType: "rare"}, "tenant and verdict": {Tenant: tenant, Verdict: "accepted"},
		"since": {Since: time.Now().Add(24 * time.Hour)}, "a page later": {BeforeAt: time.Now().Add(24 * time.Hour), BeforeID: models.NewID[models.VerificationID](time.Now())},
		"reason, a page later": {Reason: "stale", BeforeAt: time.Now().Add(24 * time.Hour), BeforeID: models.NewID[models.VerificationID](time.Now())},
	} {
		q.Limit = 51
		var plan string
		if err := db.OnPlatform(ctx, "test", func(tx *store.Tx) (err error) {
			plan, err = tx.ExplainVerifications(q)
			return err
		}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var tree any
		if err := json.Unmarshal([]byte(plan), &tree); err != nil || !strings.Contains(plan, "Index") {
			t.Fatalf("%s: no plan with an index: %.300s", name, plan)
		}
		walk(tree, func(node map[string]any) {
			rows, _ := node["Plan Rows"].(float64)
			switch kind, _ := node["Node Type"].(string); kind {
			case "Seq Scan":
				if relation, _ := node["Relation Name"].(string); relation != "verifications_rest" { // empty here
					t.Errorf("%s: reads %s from end to end", name, relation)
				}
			case "Sort", "Incremental Sort":
				if rows > 200 {
					t.Errorf("%s: sorts %.0f rows", name, rows)
				}
			}
		})
	}
}

func walk(tree any, visit func(map[string]any)) {
	switch v := tree.(type) {
	case []any:
		for _, one := range v {
			walk(one, visit)
		}
	case map[string]any:
		if _, is := v["Node Type"]; is {
			visit(v)
		}
		for _, one := range v {
			walk(one, visit)
		}
	}
}
