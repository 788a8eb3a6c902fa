package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// TestWebhooksKeepToTheirApplication: with the right ids and in another application's scope, nothing is read, changed or added.
func TestWebhooksKeepToTheirApplication(t *testing.T) {
	ctx := context.Background()
	db := storetest.New(t, nil)
	ours, theirs := newApplication(t, db, "Ours"), newApplication(t, db, "Theirs")
	hook := models.Webhook{ApplicationID: ours.ID, ID: models.NewID[models.WebhookID](noon), URL: "https://a.example/in", TriggerTypes: models.Strings{"grant.created"},
		NotificationEmails: models.Strings{"a@example.com"}, Status: models.WebhookActive, StatusAt: noon, CreatedAt: noon, UpdatedAt: noon}
	key := models.WebhookSecret{ApplicationID: ours.ID, ID: models.NewID[models.WebhookSecretID](noon), WebhookID: hook.ID, Generation: 1, ValidFrom: noon}
	delivery := models.Delivery{ApplicationID: ours.ID, ID: models.NewID[models.DeliveryID](noon), WebhookID: hook.ID, EventID: models.NewID[models.EventID](noon), EventType: "grant.created", Status: "waiting", CreatedAt: noon}
	attempt := models.Attempt{ApplicationID: ours.ID, ID: models.NewID[models.AttemptID](noon), DeliveryID: delivery.ID, Number: 1, Generations: models.Ints{1, 2}, Request: models.Settings{"a": "b"}, Status: 200, StartedAt: noon}
	err := db.InApplication(ctx, ours.ID, func(tx *store.Tx) error {
		added, err := false, errors.Join(tx.InsertWebhook(hook), tx.InsertWebhookSecret(key))
		for _, want := range []bool{true, false} { // an event goes to a webhook once
			if added, err = tx.InsertDelivery(delivery); err != nil || added != want {
				t.Errorf("added %v, %v", added, err)
			}
		}
		return errors.Join(err, tx.InsertAttempt(attempt), tx.MarkWebhookSucceeded(ours.ID, hook.ID, noon))
	})
	if err != nil {
		t.Fatal(err)
	}
	tenant := models.NewID[models.TenantID](noon)
	for name, run := range map[string]func(func(*store.Tx) error) error{
		"another application": func(fn func(*store.Tx) error) error { return db.InApplication(ctx, theirs.ID, fn) },
		"a tenant":            func(fn func(*store.Tx) error) error { return db.InTenant(ctx, tenant, fn) },
	} {
		for what, act := range map[string]func(*store.Tx) error{
			"webhook": func(tx *store.Tx) error { _, err := tx.Webhook(ours.ID, hook.ID); return err },
			"lock":    func(tx *store.Tx) error { _, err := tx.WebhookForUpdate(ours.ID, hook.ID); return err },
			"by id":   func(tx *store.Tx) error { _, err := tx.WebhookOnPlatform(hook.ID); return err },
			"change":  func(tx *store.Tx) error { return tx.ChangeWebhook(hook) },
			"delete":  func(tx *store.Tx) error { return tx.MarkWebhookDeleted(ours.ID, hook.ID, noon) },
			"end":     func(tx *store.Tx) error { return tx.EndWebhookSecret(ours.ID, key.ID, noon) },
			"deliver": func(tx *store.Tx) error { _, err := tx.Delivery(ours.ID, delivery.ID); return err },
			"settle":  func(tx *store.Tx) error { return tx.ChangeDelivery(delivery) },
		} {
			if err := run(act); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		if err := run(func(tx *store.Tx) error {
			hooks, err1 := tx.SendingWebhooks([]models.ApplicationID{ours.ID})
			keys, err2 := tx.WebhookSecrets(ours.ID, hook.ID)
			tries, err3 := tx.Attempts(ours.ID, delivery.ID)
			health, err4 := tx.WebhookHealth(ours.ID, hook.ID)
			if len(hooks)+len(keys)+len(tries) > 0 || health.LastSuccessAt != nil {
				t.Errorf("%s sees %v, %v, %v, %v", name, hooks, keys, tries, health)
			}
			return errors.Join(err1, err2, err3, err4)
		}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		other := hook
		other.ID = models.NewID[models.WebhookID](noon)
		if err := run(func(tx *store.Tx) error { return tx.InsertWebhook(other) }); err == nil {
			t.Errorf("%s added a webhook to a foreign application", name)
		}
	}
	err = db.InApplication(ctx, ours.ID, func(tx *store.Tx) error {
		got, err := tx.Attempts(ours.ID, delivery.ID)
		if err != nil || len(got) != 1 || len(got[0].Generations) != 2 || got[0].Request["a"] != "b" {
			t.Errorf("attempts %+v, %v", got, err)
		}
		since, err := tx.MarkWebhookFailed(ours.ID, hook.ID, noon.Add(time.Minute))
		again, err2 := tx.MarkWebhookFailed(ours.ID, hook.ID, noon.Add(time.Hour))
		if err != nil || err2 != nil || !since.Equal(noon.Add(time.Minute)) || !again.Equal(since) {
			t.Errorf("failing since %s, then %s, %v, %v", since, again, err, err2)
		}
		return tx.MarkWebhookDeleted(ours.ID, hook.ID, noon)
	})
	if err != nil {
		t.Fatal(err)
	}
}
