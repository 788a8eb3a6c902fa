package imap_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

func guard() *dial.Guard {
	return dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

func TestConformanceOnDovecot(t *testing.T) { conformance(t, providertest.Dovecot(t)) }

// A server that offers nothing beyond RFC 3501: ids of what was written are looked for, moving is copying, uses of folders are told by their names, and watching is asking.
func TestConformanceOnAnOldServer(t *testing.T) {
	conformance(t, providertest.Dovecot(t, "imap_capability = IMAP4rev1"))
}

func conformance(t *testing.T, d *providertest.DovecotServer) {
	c := imap.New(imap.Config{Guard: guard(), Roots: d.Roots})
	s := providertest.StartSubmission(t, d)
	providertest.Run(t, providertest.Case{Connector: c, Deliver: d.Deliver, SendTo: "grace@example.com",
		Account: func(t testing.TB) provider.Account {
			a := d.Account(t)
			for k, v := range s.Settings() {
				a.Settings[k] = v
			}
			return a
		},
		Revoke: func(t testing.TB, a provider.Account) { d.ChangePassword(t, a.Login) }})
}

// What another program has marked for deletion, and may yet take back, outlives an erasure on a server that can only expunge all that is marked.
func TestErasingSparesWhatOthersMarked(t *testing.T) {
	d := providertest.Dovecot(t, "imap_capability = IMAP4rev1")
	c, a := imap.New(imap.Config{Guard: guard(), Roots: d.Roots}), d.Account(t)
	for i := range 3 {
		d.Deliver(t, a, "INBOX", providertest.Mail{Raw: fmt.Sprintf("Subject: %d\r\n\r\nx\r\n", i), Received: time.Now()})
	}
	other := d.Client(t, a.Login)
	if _, err := other.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := other.Store(goimap.SeqSetNum(1), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{goimap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	page, err := c.ListMessages(t.Context(), a, email.Query{})
	if err != nil || len(page.Items) != 3 {
		t.Fatalf("%d messages, %v", len(page.Items), err)
	}
	if err := c.DeleteMessage(t.Context(), a, page.Items[0].ID, true); err != nil {
		t.Fatal(err)
	}
	if err := other.Noop().Wait(); err != nil { // to be told of what is gone
		t.Fatal(err)
	}
	left, err := other.UIDSearch(&goimap.SearchCriteria{}, nil).Wait()
	if err != nil || len(left.AllUIDs()) != 2 {
		t.Fatalf("left: %v, %v", left.AllUIDs(), err)
	}
	if marked, err := other.UIDSearch(&goimap.SearchCriteria{Flag: []goimap.Flag{goimap.FlagDeleted}}, nil).Wait(); err != nil || len(marked.AllUIDs()) != 1 {
		t.Fatalf("marked: %v, %v", marked.AllUIDs(), err)
	}
}
