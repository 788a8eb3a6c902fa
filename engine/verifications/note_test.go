package verifications

import (
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// TestEqualEventsInOneCommit: the database says once that an event is new, for all of a load together. Of equal ones the first counts and the others do
// not; a signature that comes twice is a replay for a sender by Standard Webhooks alone.
func TestEqualEventsInOneCommit(t *testing.T) {
	endpoint := models.NewID[models.EndpointID](time.Now())
	row := func(source, event, digest string) placed {
		return placed{digest: digest, row: models.Verification{EndpointID: &endpoint, Source: source, EventID: event, Verdict: accepted, Reason: OK}}
	}
	l := &logging{rows: []placed{row(KindV3, "a", "1"), row(KindV3, "a", "1"), row(KindV3, "b", "2"), row(KindStandard, "c", "3"), row(KindStandard, "c", "3"), row(KindStandard, "c", "4"), row(KindV3, "old", "5")}}
	l.count(map[store.Seen]struct{}{{Endpoint: endpoint, Event: "old"}: {}}, map[string]struct{}{})
	for i, want := range []string{OK, Duplicate, OK, OK, Replayed, Duplicate, Duplicate} {
		if got := l.rows[i].row.Reason; got != want {
			t.Errorf("row %d: %s, want %s", i, got, want)
		}
	}
}
