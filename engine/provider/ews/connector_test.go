package ews_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/ews"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

// zone leads the made-up names to loopback.
type zone struct {
	net.Resolver
	hosts map[string]bool
	mx    map[string]string
	srv   map[string]*net.SRV
}

func (z *zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if z.hosts[host] {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return nil, errors.New("no such host")
}

func (z *zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	if h, ok := z.mx[name]; ok {
		return []*net.MX{{Host: h}}, nil
	}
	return nil, errors.New("no such record")
}

func (z *zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if r, ok := z.srv["_"+service+"._"+proto+"."+name]; ok {
		return "", []*net.SRV{r}, nil
	}
	return "", nil, errors.New("no such record")
}

func start(t *testing.T) (*ews.Connector, *providertest.ExchangeServer, *zone) {
	t.Helper()
	x := providertest.Exchange(t)
	z := &zone{hosts: map[string]bool{"mail." + providertest.ExchangeDomain: true, "autodiscover." + providertest.ExchangeDomain: true}, mx: map[string]string{}, srv: map[string]*net.SRV{}}
	g := dial.New(dial.Config{Roots: x.Roots, Resolver: z, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return ews.New(ews.Config{Guard: g, AutodiscoverPort: x.Port}), x, z
}

func TestConformance(t *testing.T) {
	for name, ways := range map[string][]string{"NTLM": {"Negotiate", "NTLM"}, "Basic": {`Basic realm="x"`}} {
		t.Run(name, func(t *testing.T) {
			c, x, _ := start(t)
			x.Offer(ways...)
			providertest.Run(t, providertest.Case{Native: func(word string) string { return "subject:" + word }, FolderToTrash: true, Connector: c, Account: x.Account, Deliver: x.Deliver, SendTo: "grace@example.com",
				Revoke: func(_ testing.TB, a provider.Account) { x.ChangePassword(a.Login) }})
		})
	}
}
