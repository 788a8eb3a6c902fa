package graph

import (
	"context"
	"strings"

	"github.com/postern-mail/postern/engine/provider"
)

// Aliases implements provider.AliasReader: the user's proxyAddresses (Graph, "user resource type"), which Graph tells only where it is asked for them. The one in
// capitals is the mailbox's own; those of other kinds (X500, SIP) are no mail addresses. otherMails are left out: they lead to other mailboxes.
func (c *Connector) Aliases(ctx context.Context, a provider.Account) ([]string, error) {
	var me struct{ ProxyAddresses []string }
	err := c.with(ctx, a, func(k *call) error {
		return k.json(request{method: "GET", path: "/me", query: params{"$select", "proxyAddresses"}}, &me)
	})
	var out []string
	for _, address := range me.ProxyAddresses {
		if own, ok := strings.CutPrefix(address, "smtp:"); ok && strings.Contains(own, "@") {
			out = append(out, own)
		}
	}
	return out, err
}
