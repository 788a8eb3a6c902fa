package nylas_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/nylas"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

const callback = "https://postern.example/v3/connect/callback/nylas"

// world is a Nylas, an application there, and a connector to it.
type world struct {
	*providertest.NylasServer
	c   *nylas.Connector
	app provider.App
}

func start(t testing.TB) *world {
	t.Helper()
	s := providertest.Nylas(t)
	return &world{NylasServer: s, c: nylas.New(nylas.Config{Guard: guard(), APIURL: s.URL}), app: s.App(callback)}
}

func TestConformance(t *testing.T) {
	w := start(t)
	w.Account("google", "grace@nylas.test", "Grace")
	people := map[string]*providertest.NylasAccount{}
	grants := map[string]*providertest.NylasGrant{}
	providertest.Run(t, providertest.Case{Native: func(word string) string { return "subject:" + word }, Connector: w.c, SendTo: "grace@nylas.test", StableIDs: true, ManyFolders: true, Everywhere: true, OneBody: true,
		Account: func(testing.TB) provider.Account {
			person := w.Account("google", fmt.Sprintf("test%d@nylas.test", len(people)), "Test")
			g := w.Grant(w.app, person)
			a := w.Mailbox(w.app, g)
			people[a.Address], grants[a.Address] = person, g
			return a
		},
		Deliver: func(_ testing.TB, a provider.Account, folder string, m providertest.Mail) {
			w.NylasServer.Deliver(people[a.Address], folder, m)
		},
		Folder: func(_ provider.Account, name string) string { return w.FolderID(name) },
		Revoke: func(_ testing.TB, a provider.Account) { w.Expire(grants[a.Address]) },
	})
}

// safe fails when an error shows a key, a token, an address or text of Nylas' answer.
func safe(t testing.TB, err error, secrets ...secret.Text) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	if f, ok := fault.As(err); ok {
		text += f.Public
	}
	for _, s := range secrets {
		if !s.Empty() && strings.Contains(text, s.Reveal()) {
			t.Errorf("a secret in %.60q...", text)
		}
	}
	for _, leak := range []string{"private message", "Bearer ", "nyk_v0_", "127.0.0.1"} {
		if strings.Contains(text, leak) {
			t.Errorf("%q in %q", leak, text)
		}
	}
}

func guard() *dial.Guard {
	return dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}
