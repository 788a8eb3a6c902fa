package provider

import (
	"context"
	"net"
	"sort"
)

// MXLookup finds a domain's mail exchangers. Its errors mean "not known".
type MXLookup interface {
	LookupMX(ctx context.Context, domain string) ([]*net.MX, error)
}

// Set is the connectors of this installation by name. It is made once and never changes: safe for concurrent use.
type Set struct {
	byName map[string]Connector
	mx     MXLookup
	owned  map[string]string // domain -> connector name
}

// NewSet makes a set. mx may be nil: then only well-known domains are detected.
func NewSet(mx MXLookup, connectors ...Connector) *Set {
	s := &Set{byName: map[string]Connector{}, mx: mx, owned: map[string]string{}}
	for _, c := range connectors {
		s.byName[c.Name()] = c
		if d, ok := c.(Domains); ok {
			for _, domain := range d.Domains() {
				s.owned[domain] = c.Name()
			}
		}
	}
	return s
}

// Connector answers ErrUnknownProvider when none has the name.
func (s *Set) Connector(name string) (Connector, error) {
	if c, ok := s.byName[name]; ok {
		return c, nil
	}
	return nil, ErrUnknownProvider
}

// Names is the names of all connectors, sorted.
func (s *Set) Names() []string {
	out := make([]string, 0, len(s.byName))
	for name := range s.byName {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// Close closes what any connector keeps for a mailbox, under every version of its credential: a connection that was opened before a refresh lives on under the older key.
func (s *Set) Close(mailbox string) {
	for _, c := range s.byName {
		for _, key := range c.Held() {
			if MailboxOf(key) == mailbox {
				c.Close(key)
			}
		}
	}
}

// Held lists the mailboxes of which any connector keeps something, each once and in no order.
func (s *Set) Held() []string {
	seen := map[string]bool{}
	var out []string
	for _, c := range s.byName {
		for _, key := range c.Held() {
			if m := MailboxOf(key); !seen[m] {
				seen[m] = true
				out = append(out, m)
			}
		}
	}
	return out
}
