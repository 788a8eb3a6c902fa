package v3_test

import (
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/ledger"
	"github.com/postern-mail/postern/models"
)

// TestEveryMailboxRouteIsInTheLedger asks for everything beneath a grant that needs no body. Each call must leave its entry, with the key, the operation and the
// outcome; a call that names nothing the caller may know of must leave none.
func TestEveryMailboxRouteIsInTheLedger(t *testing.T) {
	w := newWorld(t)
	g := w.grant(w.app.ID, w.tenant.ID, "ada@north.example")
	key := w.keyFor(access.Key{Application: w.app.ID, Name: "reader"})
	tried := 0
	for _, r := range w.routes {
		if r.Door != "v3" || !strings.HasPrefix(r.Path, "/v3/grants/:grant/") || r.Method != "GET" && r.Method != "DELETE" {
			continue
		}
		tried++
		path := strings.Replace(r.Path, ":grant", g.ID.String(), 1)
		path = fill(path)
		if strings.Contains(path, "attachments") {
			path += "?message_id=m1"
		}
		a := w.do(call{method: r.Method, path: path, key: key})
		if err := w.Flushed(); err != nil {
			t.Fatal(err)
		}
		page, err := w.Ledger.List(ctx, staff, ledger.Filter{Grant: g.ID, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Accesses) != 1 {
			t.Errorf("%s %s answered %d and left no entry", r.Method, r.Path, a.status)
			continue
		}
		e := page.Accesses[0]
		if e.TenantID != w.tenant.ID || e.ActorKind != models.ActorKey || !strings.HasPrefix(e.Actor, "reader") || !strings.Contains(e.Operation, ".") || (e.Outcome == "ok") != (a.status < 400) ||
			e.Address != "127.0.0.1" || e.RequestID != a.header.Get("X-Request-Id") {
			t.Errorf("%s %s answered %d and left %+v", r.Method, r.Path, a.status, e)
		}
	}
	if tried < 8 {
		t.Errorf("only %d routes were tried", tried)
	}
	before, err := w.Ledger.List(ctx, staff, ledger.Filter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	stranger := w.keyFor(access.Key{Application: w.other.ID})
	w.do(call{method: "GET", path: "/v3/grants/" + g.ID.String() + "/messages", key: stranger}).refused(t, "another application's key", 404, "api.not_found_error")
	w.do(call{method: "GET", path: "/v3/grants/" + g.ID.String(), key: key}) // the inventory is no mailbox
	if err := w.Flushed(); err != nil {
		t.Fatal(err)
	}
	after, err := w.Ledger.List(ctx, staff, ledger.Filter{Limit: 500})
	if err != nil || len(after.Accesses) != len(before.Accesses) {
		t.Errorf("%d entries were left by calls that reached no mailbox, %v", len(after.Accesses)-len(before.Accesses), err)
	}
}

func (w *world) Flushed() error { return w.Ledger.Flush(ctx) }
