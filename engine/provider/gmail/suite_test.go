package gmail_test

import (
	"net/netip"
	"testing"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/gmail"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

const callback = "http://127.0.0.1:7999/v3/connect/callback/google"

func connector(g *providertest.GoogleServer) *gmail.Connector {
	return gmail.New(gmail.Config{Guard: dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
		AuthURL: g.AuthURL(), TokenURL: g.TokenURL(), RevokeURL: g.RevokeURL(), UserinfoURL: g.UserinfoURL(), APIURL: g.APIURL()})
}

func TestConformance(t *testing.T) {
	g := providertest.Google(t)
	app := g.App(callback)
	g.AddUser("grace@gmail.example", "Grace Hopper")
	names := map[string]string{"INBOX": "INBOX", "Sent": "SENT", "Trash": "TRASH"}
	providertest.Run(t, providertest.Case{Native: func(word string) string { return "subject:" + word }, Connector: connector(g), Deliver: g.Deliver, SendTo: "grace@gmail.example", StableIDs: true, ManyFolders: true, Everywhere: true, Lacks: []string{"archive"},
		Account: func(testing.TB) provider.Account {
			a, u, _ := g.Account(app)
			names["Archive"] = g.Label(u, "Archive")
			return a
		},
		Folder: func(_ provider.Account, name string) string { return names[name] },
		Revoke: func(_ testing.TB, a provider.Account) { g.Cut(a.Address) }})
}
