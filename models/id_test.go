package models_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
)

func TestIDsSortByTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var last models.GrantID
	for i := range 1000 {
		id := models.NewID[models.GrantID](at.Add(time.Duration(i) * time.Millisecond))
		if bytes.Compare(last[:], id[:]) >= 0 {
			t.Fatalf("%v does not sort after %v", id, last)
		}
		if id[6]>>4 != 7 || id[8]>>6 != 2 {
			t.Fatalf("%v is not a version 7, variant 10 UUID", id)
		}
		last = id
	}
}

func TestParseID(t *testing.T) {
	id := models.NewID[models.TenantID](time.Now())
	back, err := models.ParseID[models.TenantID](id.String())
	if err != nil || back != id {
		t.Fatalf("%v came back as %v, %v", id, back, err)
	}
	for _, bad := range []string{"", "x", id.String() + "0", id.String()[:35], "0190A000-0000-7000-8000-000000000000",
		"0190a000-0000-7000-8000-00000000000g", "0190a000x0000-7000-8000-000000000000", "../../../../../../../../../../etc/pw"} {
		if _, err := models.ParseID[models.TenantID](bad); err == nil {
			t.Errorf("%q was taken for an id", bad)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("0190a000-0000-7000-8000-000000000000")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := models.ParseID[models.GrantID](text)
		if err == nil && id.String() != text {
			t.Fatalf("%q has a second spelling, %q", text, id)
		}
	})
}
