package imap_test

import (
	"net/netip"
	"testing"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

func guard() *dial.Guard {
	return dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

func TestConformanceOnDovecot(t *testing.T) {
	d := providertest.Dovecot(t)
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
