package audit

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
)

// FuzzQuickLine: what the quick reader of a bundle's line says, the slow one says too. It may pass a line on; it may never decide otherwise.
func FuzzQuickLine(f *testing.F) {
	tenant := models.NewID[models.TenantID](time.Unix(1_700_000_000, 0))
	for _, e := range []models.AuditEntry{{Actor: "Ada"}, {Actor: "Zoë", Object: "a@b.example", Address: "192.0.2.7", TenantID: &tenant, RequestID: "r", Detail: models.Settings{"reason": "left", "n": "1"}}, {Object: `<b>&"quoted"\`}, {Detail: models.Settings{"a": "\u2028"}}} {
		e.ID, e.At, e.ActorKind, e.ActorID, e.Action, e.ObjectKind, e.ObjectID, e.Outcome, e.Salt = models.NewID[models.AuditID](time.Unix(1_700_000_000, 0)), time.Unix(1_700_000_000, 0), "member", "1", "grant.revoke", "grant", "g", "done", []byte("salt")
		text, err := Leaf(e, LeafVersion)
		if err != nil {
			f.Fatal(err)
		}
		line, err := json.Marshal(Record{Index: 3, Leaf: text, Shown: shown(e)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
		w := newWorker(&checker{verdict: &Verdict{}})
		if found := w.slow(line); found.kind != foundEntry || found.reason != "" {
			f.Errorf("a line of ours is refused: %+v: %s", found, line)
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, of := range []string{"", tenant.String()} {
			w := newWorker(&checker{verdict: &Verdict{Size: 4}, tenant: []byte(of)})
			if quick, ok := w.quick(line); ok {
				if slow := w.slow(line); slow != quick {
					t.Errorf("%q: quick %+v, slow %+v", line, quick, slow)
				}
			}
		}
	})
}
