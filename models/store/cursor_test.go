package store_test

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// FuzzCursor: what Cursor wrote is read back; everything else is a place by chance or the one fault, and never a panic.
func FuzzCursor(f *testing.F) {
	at, id := time.Date(2026, 11, 30, 10, 0, 0, 123456000, time.UTC), models.NewID[models.BatchID](time.Now())
	whole := store.Cursor(at, id)
	if gotAt, gotID, err := store.ReadCursor[models.BatchID](whole); err != nil || !gotAt.Equal(at) || gotID != id {
		f.Fatalf("%v, %v, %v", gotAt, gotID, err)
	}
	for _, text := range []string{"", whole, whole + "A", whole[:10], "!", "AA==", base64.RawURLEncoding.EncodeToString([]byte("2026-11-30T10:00:00Z")), base64.RawURLEncoding.EncodeToString([]byte("yesterday " + id.String()))} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, id, err := store.ReadCursor[models.BatchID](text)
		switch {
		case text == "":
			if err != nil || !at.IsZero() || !id.IsZero() {
				t.Errorf("the beginning is %v, %v, %v", at, id, err)
			}
		case err != nil && !errors.Is(err, store.ErrCursor):
			t.Errorf("%q: %v", text, err)
		}
	})
}
