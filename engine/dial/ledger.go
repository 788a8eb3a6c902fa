package dial

import (
	"errors"
	"sort"
	"sync"
	"time"
)

// Entry is one line of the egress ledger: what was reached at a host since the process started.
type Entry struct {
	Purpose   Purpose
	Host      string // as it was named, lower case; Others for all beyond the ledger's size
	Port      uint16
	Connected uint64
	Refused   uint64 // by the guard
	Failed    uint64
	First     time.Time
	Last      time.Time
}

// Others stands for the hosts that no longer fitted: whoever can name a host must not be able to fill our memory.
const (
	Others      = "(others)"
	mostEntries = 10_000
)

type ledgerKey struct {
	purpose Purpose
	host    string
	port    uint16
}

type ledger struct {
	mu   sync.Mutex
	rows map[ledgerKey]*Entry
}

func (l *ledger) count(p Purpose, host string, port uint16, at time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(host) > 253 {
		host = Others
	}
	k := ledgerKey{p, host, port}
	e := l.rows[k]
	if e == nil && len(l.rows) >= mostEntries {
		k = ledgerKey{p, Others, 0}
		e = l.rows[k]
	}
	if e == nil {
		e = &Entry{Purpose: p, Host: k.host, Port: k.port, First: at}
		l.rows[k] = e
	}
	e.Last = at
	switch {
	case err == nil:
		e.Connected++
	case errors.Is(err, ErrRefused):
		e.Refused++
	default:
		e.Failed++
	}
}

// Ledger is a copy of the counts, by purpose, host and port.
func (g *Guard) Ledger() []Entry {
	g.ledger.mu.Lock()
	out := make([]Entry, 0, len(g.ledger.rows))
	for _, e := range g.ledger.rows {
		out = append(out, *e)
	}
	g.ledger.mu.Unlock()
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.Purpose != b.Purpose {
			return a.Purpose < b.Purpose
		}
		if a.Host != b.Host {
			return a.Host < b.Host
		}
		return a.Port < b.Port
	})
	return out
}
