package store_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// What a lane reads in one round trip is what transactions read, column by column, and another application's lane reads nothing.
func TestALaneReadsWhatATransactionReads(t *testing.T) {
	db := storetest.New(t, nil)
	ours, theirs := newApplication(t, db, "Ours"), newApplication(t, db, "Theirs")
	tenant, ended, due := models.NewID[models.TenantID](noon), noon.Add(time.Hour), noon
	hook := models.Webhook{ApplicationID: ours.ID, ID: models.NewID[models.WebhookID](noon), TenantID: &tenant, URL: "https://a.example/in", Description: "d", TriggerTypes: models.Strings{"grant.created", "a b"},
		NotificationEmails: models.Strings{"a@example.com"}, Compressed: true, Standard: true, SelfCheck: true, Status: models.WebhookFailing, StatusAt: noon, OverlapSeconds: 7, CreatedAt: noon, UpdatedAt: ended}
	key := models.WebhookSecret{ApplicationID: ours.ID, ID: models.NewID[models.WebhookSecretID](noon), WebhookID: hook.ID, Generation: 1, ValidFrom: noon, ValidUntil: &ended, LastAcceptedAt: &noon}
	event := models.Event{TenantID: tenant, ID: models.NewID[models.EventID](noon), ApplicationID: ours.ID, Type: "grant.created", Source: "/nylas/system", OccurredAt: noon}
	delivery := models.Delivery{ApplicationID: ours.ID, ID: models.NewID[models.DeliveryID](noon), WebhookID: hook.ID, TenantID: &tenant, EventID: event.ID, EventType: event.Type, Status: "waiting",
		Attempts: 3, NextAttemptAt: &due, CreatedAt: noon}
	test := models.Delivery{ApplicationID: ours.ID, ID: models.NewID[models.DeliveryID](noon), WebhookID: hook.ID, EventID: models.NewID[models.EventID](noon), EventType: "grant.created", Status: "waiting",
		NextAttemptAt: &due, CreatedAt: noon}
	must(t, db.OnPlatform(t.Context(), "test", func(tx *store.Tx) error {
		return tx.InsertTenant(models.Tenant{ID: tenant, Name: "T", Region: "eu", State: models.TenantActive, CreatedAt: noon, UpdatedAt: noon})
	}))
	must(t, db.InTenant(t.Context(), tenant, func(tx *store.Tx) error { return tx.InsertEvents(t.Context(), []models.Event{event}) }))
	must(t, db.InApplication(t.Context(), ours.ID, func(tx *store.Tx) error {
		if err := tx.InsertWebhook(hook); err != nil {
			return err
		}
		if err := tx.InsertWebhookSecret(key); err != nil {
			return err
		}
		for _, d := range []models.Delivery{delivery, test} {
			if _, err := tx.InsertDelivery(d); err != nil {
				return err
			}
		}
		return nil
	}))
	work, err := db.LaneWork(t.Context(), ours.ID, hook.ID, noon, nil, 10)
	must(t, err)
	equal(t, work.Webhook, hook)
	if len(work.Secrets) != 1 || len(work.Due) != 2 {
		t.Fatalf("%d secrets, %d deliveries", len(work.Secrets), len(work.Due))
	}
	equal(t, work.Secrets[0], key)
	for _, one := range work.Due {
		want, wantEvent := test, models.Event{}
		if one.Delivery.TenantID != nil {
			want, wantEvent = delivery, event
		}
		want.NextAttemptAt = nil // what is due needs no time
		equal(t, one.Delivery, want)
		equal(t, one.Event, wantEvent)
	}
	for name, look := range map[string]func() (store.LaneWork, error){
		"what is in hand": func() (store.LaneWork, error) {
			return db.LaneWork(t.Context(), ours.ID, hook.ID, noon, []models.DeliveryID{delivery.ID, test.ID}, 10)
		},
		"what is due later": func() (store.LaneWork, error) {
			return db.LaneWork(t.Context(), ours.ID, hook.ID, noon.Add(-1), nil, 10)
		},
		"only webhook and secrets":  func() (store.LaneWork, error) { return db.LaneWork(t.Context(), ours.ID, hook.ID, noon, nil, 0) },
		"another application's own": func() (store.LaneWork, error) { return db.LaneWork(t.Context(), theirs.ID, hook.ID, noon, nil, 10) },
	} {
		work, err := look()
		if must(t, err); len(work.Due) != 0 {
			t.Errorf("%s: %d deliveries", name, len(work.Due))
		}
		if foreign := name == "another application's own"; foreign != work.Webhook.ID.IsZero() || foreign != (len(work.Secrets) == 0) {
			t.Errorf("%s: webhook %s, %d secrets", name, work.Webhook.ID, len(work.Secrets))
		}
	}
}

// Ciphertexts of several tenants come in one round trip, and each is read in its own tenant's scope: one that is asked for in another's name is not there.
func TestCiphertextsOfTenantsKeepApart(t *testing.T) {
	db := storetest.New(t, nil)
	var tenants [2]models.TenantID
	var owners [2][]string
	for i := range tenants {
		tenants[i] = models.NewID[models.TenantID](noon)
		must(t, db.OnPlatform(t.Context(), "test", func(tx *store.Tx) error {
			return tx.InsertTenant(models.Tenant{ID: tenants[i], Name: "T", Region: "eu", State: models.TenantActive, CreatedAt: noon, UpdatedAt: noon})
		}))
		must(t, db.InTenant(t.Context(), tenants[i], func(tx *store.Tx) error {
			if _, err := tx.InsertDataKey(store.DataKey{TenantID: tenants[i], ID: models.NewID[models.EventID](noon).String(), KEKID: "kek", Wrapped: []byte{byte(i)}, CreatedAt: noon, KeyID: 7}); err != nil {
				return err
			}
			var rows []store.Sealed
			for n := range 3 {
				owners[i] = append(owners[i], models.NewID[models.EventID](noon.Add(time.Duration(n)*time.Second)).String())
				rows = append(rows, store.Sealed{TenantID: tenants[i], OwnerKind: "event", OwnerID: owners[i][n], Field: "payload", Version: 1, Ciphertext: []byte{byte(i), byte(n), 0, 0, 0, 0, 0, 0}, CreatedAt: noon})
			}
			return tx.InsertSealed(t.Context(), rows)
		}))
	}
	answers, err := db.SealedOfTenants(t.Context(), "event", "payload", []store.SealedAsk{{Tenant: tenants[0], Owners: owners[0]}, {Tenant: tenants[1], Owners: append(owners[0], owners[1]...)},
		{Tenant: tenants[0], Owners: owners[1]}}, 1000)
	must(t, err)
	for i, want := range []int{3, 3, 0} {
		if len(answers[i].Rows) != want {
			t.Errorf("answer %d has %d rows, not %d", i, len(answers[i].Rows), want)
		}
	}
	for i := range tenants {
		for n, row := range answers[i].Rows {
			if row.OwnerID != owners[i][n] || len(row.Ciphertext) != 8 || row.Ciphertext[0] != byte(i) || row.Version != 1 || row.TenantID != tenants[i] {
				t.Errorf("tenant %d, row %d is %+v", i, n, row)
			}
		}
		var key store.DataKey
		must(t, db.InTenant(t.Context(), tenants[i], func(tx *store.Tx) (err error) {
			key, err = tx.DataKey(tenants[i])
			return err
		}))
		equal(t, answers[i].Key, key)
	}
	few, err := db.SealedOfTenants(t.Context(), "event", "payload", []store.SealedAsk{{Tenant: tenants[0], Owners: owners[0]}}, 17)
	if must(t, err); len(few[0].Rows) != 3 || few[0].Rows[1].Ciphertext == nil || few[0].Rows[2].Ciphertext != nil {
		t.Errorf("17 bytes are room for two of three: %+v", few[0].Rows)
	}
	one, err := db.SealedOfTenants(t.Context(), "event", "payload", []store.SealedAsk{{Tenant: tenants[0], Owners: owners[0]}}, 1)
	if must(t, err); len(one[0].Rows) != 3 || one[0].Rows[0].Ciphertext == nil || one[0].Rows[1].Ciphertext != nil {
		t.Errorf("the first is given however large it is: %+v", one[0].Rows)
	}
	if none, err := db.SealedOfTenants(t.Context(), "event", "payload", nil, 1); err != nil || len(none) != 0 {
		t.Errorf("nothing asked: %v, %v", none, err)
	}
}

// equal compares two rows field by field, so that a column that is forgotten is named.
func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	a, b := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range a.NumField() {
		if !same(a.Field(i).Interface(), b.Field(i).Interface()) {
			t.Errorf("%s is %v, not %v", a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
