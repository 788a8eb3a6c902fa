package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// serversFresh is how long the addresses of our own servers are good for. They are asked for once in this time, at a connection that is about to be made.
const serversFresh = 10 * time.Second

// servers are the machines that Postern itself depends on: its database, its key service. Who may name an address must not reach them, not even where the operator opened the network
// that they stand in: a database that trusts its neighbours would take a webhook for one.
type servers struct {
	list     []string // host:port
	resolver Resolver
	now      func() time.Time

	mu    sync.Mutex
	read  time.Time
	known map[string][]netip.AddrPort // the last answer for each; a name server that is away changes nothing
}

func newServers(list []string, resolver Resolver, now func() time.Time) *servers {
	return &servers{list: list, resolver: resolver, now: now, known: map[string][]netip.AddrPort{}}
}

// check refuses their ports to everybody, and all of their other ports to webhooks. A server that runs on this very machine keeps its own port closed only: receivers that the operator
// opened stand there too.
func (s *servers) check(p Purpose, to netip.AddrPort, here func(netip.Addr) bool) error {
	if len(s.list) == 0 {
		return nil
	}
	addr := to.Addr().Unmap().WithZone("")
	for _, one := range s.addresses() {
		if one.Addr() == addr && (one.Port() == to.Port() || p == Webhook && !here(addr)) {
			return errors.New(addr.String() + " is a server that Postern itself depends on")
		}
	}
	return nil
}

func (s *servers) addresses() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.now(); s.read.IsZero() || at.Sub(s.read) >= serversFresh {
		s.read = at
		for _, one := range s.list {
			if found := s.find(one); len(found) > 0 {
				s.known[one] = found
			}
		}
	}
	var all []netip.AddrPort
	for _, found := range s.known {
		all = append(all, found...)
	}
	return all
}

func (s *servers) find(server string) []netip.AddrPort {
	host, name, err := net.SplitHostPort(server)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), dnsTimeout)
	defer cancel()
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", name)
	if err != nil {
		return nil
	}
	found, err := s.resolver.LookupNetIP(ctx, "ip", host)
	if a, literal := netip.ParseAddr(host); literal == nil {
		found, err = []netip.Addr{a}, nil
	}
	if err != nil {
		return nil
	}
	out := make([]netip.AddrPort, len(found))
	for i, a := range found {
		out[i] = netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(port))
	}
	return out
}
