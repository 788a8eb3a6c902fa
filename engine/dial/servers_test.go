package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// named is a name server that may be away.
type named struct {
	net.Resolver
	at   map[string]string
	away bool
}

func (n *named) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, found := n.at[host]; found && !n.away {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, errors.New("no such name")
}

// TestOurOwnServersStayClosed (A47): a webhook never reaches the machine of the database or of the key service, and nothing else their ports, although the operator opened the whole network.
func TestOurOwnServersStayClosed(t *testing.T) {
	clock := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	names := &named{at: map[string]string{"db.internal": "10.1.0.5", "keys.internal": "10.1.0.6"}}
	g := New(Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}, Resolver: names,
		Servers: []string{"db.internal:5432", "keys.internal:8200", "127.0.0.1:5433", "[fd00::5]:5432", "10.1.0.9:5432"}, Now: func() time.Time { return clock },
		Own: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.1.0.9")} }})
	closed := func(p Purpose, to string) bool { return g.check(p, netip.MustParseAddrPort(to), false) != nil }
	for _, to := range []string{"10.1.0.5:5432", "10.1.0.5:443", "[::ffff:10.1.0.5]:443", "10.1.0.6:8200", "10.1.0.6:443", "127.0.0.1:5433", "[fd00::5]:443", "10.1.0.9:5432"} {
		if !closed(Webhook, to) {
			t.Errorf("a webhook reaches %s", to)
		}
	}
	for _, to := range []string{"10.1.0.5:5432", "10.1.0.6:8200", "127.0.0.1:5433"} {
		for _, p := range []Purpose{Provider, IMAP, SMTP} {
			if !closed(p, to) {
				t.Errorf("%s reaches %s", p, to)
			}
		}
	}
	// What the operator opened and is no server of ours stays open: neighbours, a mail server on the database's machine, receivers on this one.
	for to, p := range map[string]Purpose{"10.1.0.7:443": Webhook, "10.1.0.5:993": IMAP, "127.0.0.1:8080": Webhook, "10.1.0.9:443": Webhook} {
		if closed(p, to) {
			t.Errorf("%s does not reach %s", p, to)
		}
	}
	// It moves, and the name server goes away: the newest address that is known counts.
	names.at["db.internal"] = "10.2.0.5"
	clock = clock.Add(serversFresh)
	if !closed(Webhook, "10.2.0.5:443") || closed(Webhook, "10.1.0.5:443") {
		t.Error("the database moved and its old address is held for it")
	}
	names.away = true
	clock = clock.Add(serversFresh)
	if !closed(Webhook, "10.2.0.5:443") {
		t.Error("without a name server the database can be reached")
	}
}
