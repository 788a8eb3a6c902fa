package graph_test

import (
	"fmt"
	"testing"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

func TestConformance(t *testing.T) {
	w := start(t)
	w.Account(contoso, "grace@contoso.test", "Grace")
	people := map[string]*providertest.MicrosoftAccount{}
	providertest.Run(t, providertest.Case{Native: func(word string) string { return "subject:" + word }, FolderToTrash: true, Connector: w.c, SendTo: "grace@contoso.test", StableIDs: true, Everywhere: true, OneBody: true,
		Account: func(t testing.TB) provider.Account {
			a, account, _ := w.mailbox(t, fmt.Sprintf("test%d", len(people)))
			people[account.Login] = a
			return account
		},
		Deliver: func(_ testing.TB, a provider.Account, folder string, m providertest.Mail) {
			people[a.Login].Deliver(folder, m)
		},
		Folder: func(a provider.Account, name string) string {
			// The ids of Exchange end with "=", which are left out; see ourID.
			id := people[a.Login].Folder(name)
			for id[len(id)-1] == '=' {
				id = id[:len(id)-1]
			}
			return id
		},
		Revoke: func(_ testing.TB, a provider.Account) { people[a.Login].RevokeSessions() },
	})
}
