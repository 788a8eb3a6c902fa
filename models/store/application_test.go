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

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newApplication(t *testing.T, db *storetest.Database, name string) models.Application {
	t.Helper()
	a := models.Application{ID: models.NewID[models.ApplicationID](noon), Name: name, Environment: "production", CreatedAt: noon, UpdatedAt: noon}
	if err := db.OnPlatform(context.Background(), "a test's application", func(tx *store.Tx) error { return tx.InsertApplication(a) }); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestApplicationsKeepToThemselves(t *testing.T) {
	ctx := context.Background()
	db := storetest.New(t, nil)
	ours, theirs := newApplication(t, db, "Ours"), newApplication(t, db, "Theirs")
	uri := models.CallbackURI{ApplicationID: ours.ID, ID: models.NewID[models.CallbackID](noon), URL: "https://a.example/cb", Platform: "web",
		Settings: models.Settings{"origin": "https://a.example"}, CreatedAt: noon}
	connector := models.Connector{ApplicationID: ours.ID, ID: models.NewID[models.ConnectorID](noon), Provider: "google", Name: "Google",
		ClientID: "id", Settings: models.Settings{"topic_name": "t"}, Scopes: models.Strings{"a", "b"}, CreatedAt: noon, UpdatedAt: noon}
	err := db.InApplication(ctx, ours.ID, func(tx *store.Tx) error {
		if err := tx.InsertCallbackURI(uri); err != nil {
			return err
		}
		return tx.InsertConnector(connector)
	})
	if err != nil {
		t.Fatal(err)
	}

	err = db.InApplication(ctx, ours.ID, func(tx *store.Tx) error {
		got, err := tx.CallbackURIByURL(ours.ID, uri.URL)
		if err != nil || got.ID != uri.ID || got.Settings["origin"] != "https://a.example" {
			t.Errorf("callback URI by its bytes: %+v, %v", got, err)
		}
		for _, near := range []string{uri.URL + "/", "https://A.example/cb", "https://a.example/cb?x=1", ""} {
			if _, err := tx.CallbackURIByURL(ours.ID, near); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q found something: %v", near, err)
			}
		}
		c, err := tx.Connector(ours.ID, "google")
		if err != nil || c.ClientID != "id" || len(c.Scopes) != 2 {
			t.Errorf("connector: %+v, %v", c, err)
		}
		uri.URL, uri.Platform = "https://a.example/other", "js"
		if err := tx.ChangeCallbackURI(uri); err != nil {
			t.Error(err)
		}
		connector.Scopes = nil
		if err := tx.ChangeConnector(connector); err != nil {
			t.Error(err)
		}
		ours.Name = "Ours, renamed"
		return tx.ChangeApplication(ours)
	})
	if err != nil {
		t.Fatal(err)
	}

	err = db.InApplication(ctx, theirs.ID, func(tx *store.Tx) error {
		if _, err := tx.CallbackURI(ours.ID, uri.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another application's callback URI: %v", err)
		}
		if err := tx.MarkCallbackURIDeleted(ours.ID, uri.ID, noon); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another application's callback URI was deleted: %v", err)
		}
		if err := tx.DeleteConnector(ours.ID, connector.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another application's connector was deleted: %v", err)
		}
		list, err := tx.Applications()
		if err != nil || len(list) != 1 || list[0].ID != theirs.ID {
			t.Errorf("applications seen from one: %v, %v", list, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	err = db.OnPlatform(ctx, "a test looks", func(tx *store.Tx) error {
		list, err := tx.Applications()
		if err != nil || len(list) != 2 {
			t.Errorf("applications: %v, %v", list, err)
		}
		if a, err := tx.Application(ours.ID); err != nil || a.Name != "Ours, renamed" {
			t.Errorf("renamed: %+v, %v", a, err)
		}
		if err := tx.MarkCallbackURIDeleted(ours.ID, uri.ID, noon); err != nil {
			t.Error(err)
		}
		if uris, err := tx.CallbackURIs(ours.ID); err != nil || len(uris) != 0 {
			t.Errorf("a deleted callback URI is still listed: %v, %v", uris, err)
		}
		if err := tx.DeleteConnector(ours.ID, connector.ID); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	again := uri
	again.ID = models.NewID[models.CallbackID](noon)
	if err := db.InApplication(ctx, ours.ID, func(tx *store.Tx) error { return tx.InsertCallbackURI(again) }); err != nil {
		t.Errorf("a deleted callback URI cannot be added again: %v", err)
	}
	again.ID = models.NewID[models.CallbackID](noon)
	if err := db.InApplication(ctx, ours.ID, func(tx *store.Tx) error { return tx.InsertCallbackURI(again) }); !errors.Is(err, store.ErrTaken) {
		t.Errorf("the same twice: %v", err)
	}
}
