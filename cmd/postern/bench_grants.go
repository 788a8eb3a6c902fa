package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/postern-mail/postern/cmd/postern/load"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// benchConns is how many connections the load comes over: as many as a program's pool holds.
const benchConns = 16

// benchGrants holds the inventory's two reads to issue figures: 5,000 a second for one grant, 1,500 for a page of 50, and 15 ms at half of that.
func benchGrants(ctx context.Context, b *bench) error {
	const name = "grants"
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	if err := w.seedGrants(ctx, b.grants); err != nil {
		return err
	}
	one := make([][]byte, len(w.grants)) // prepared, and walked in a stride: neighbours in time are no neighbours on disk
	bare := make([][]byte, len(w.grants))
	for i, id := range w.grants {
		one[i], bare[i] = load.Get("/v3/grants/"+id.String(), w.key), load.Get("/row/"+id.String(), "")
	}
	stride := func(list [][]byte) func(int) []byte {
		return func(i int) []byte { return list[i*7919%len(list)] }
	}
	same := func(request []byte) func(int) []byte { return func(int) []byte { return request } }
	page := load.Get("/v3/grants?limit=50", w.key)

	full := func(addr string, request func(int) []byte, what string, goal float64) error {
		before := w.cpuNow(ctx)
		r, err := load.Run(ctx, load.Plan{Addr: addr, Conns: benchConns, For: b.seconds, Request: request})
		if err == nil {
			b.rate(name, what, r, goal, w.cpuNow(ctx).per(before, r.Requests*11/10)) // a tenth more were asked, to warm up
		}
		return err
	}
	half := func(request func(int) []byte, what string, rate float64) error {
		r, err := load.Run(ctx, load.Plan{Addr: w.addr, Conns: benchConns, For: b.seconds, Rate: rate, Request: request})
		if err == nil {
			b.slowest(name, what, r, 15*time.Millisecond)
		}
		return err
	}
	if err := full(w.addr, stride(one), "GET /v3/grants/{id}", 5000); err != nil {
		return err
	}
	if err := full(w.addr, same(page), "GET /v3/grants?limit=50", 1500); err != nil {
		return err
	}
	if err := half(stride(one), "GET /v3/grants/{id}, p99 at 2,500 a second", 2500); err != nil {
		return err
	}
	if err := half(same(page), "GET /v3/grants?limit=50, p99 at 750 a second", 750); err != nil {
		return err
	}
	if err := b.authorisation(ctx, w); err != nil {
		return err
	}
	peer, err := load.StartPeer(ctx, w.dsn, w.application.String())
	if err != nil {
		return err
	}
	defer peer.Close() //nolint:errcheck // it served its purpose
	if err := full(peer.Addr, stride(bare), "bare echo and gorm: one row, one transaction under row-level security", 0); err != nil {
		return err
	}
	if err := full(peer.Addr, same(load.Get("/rows", "")), "bare echo and gorm: 50 rows, the same way", 0); err != nil {
		return err
	}
	return full(peer.Addr, same(load.Get("/none", "")), "bare echo, no database", 0)
}

// authorisation measures what stands before every call to a mailbox, without HTTP: the key, and the grant that the path names with its tenant and status.
func (b *bench) authorisation(ctx context.Context, w *world) error {
	key, addr := secret.New(w.key), netip.MustParseAddr("127.0.0.1")
	one := func(what string, goal float64, do func(i int) error) error {
		took := make([]time.Duration, 0, 1<<16)
		for end := time.Now().Add(b.seconds / 2); time.Now().Before(end); {
			began := time.Now()
			if err := do(len(took)); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.note(figure{Measure: "grants", What: what, Value: float64(load.Percentile(took, 50)) / float64(time.Microsecond), Unit: "µs", Goal: goal, AtMost: true,
			Note: fmt.Sprintf("median of %d on an otherwise idle server; p99 %s", len(took), load.Percentile(took, 99).Round(time.Microsecond))})
		return nil
	}
	e := w.process.engine
	if err := one("authorisation, warm: key, tenant, grant, permission", 100, func(i int) error {
		actor, err := e.Access.Program(ctx, key, addr)
		if err != nil {
			return err
		}
		if !actor.May(models.ReadMessages) {
			return errors.New("the key lacks messages.read")
		}
		_, err = e.Grants.Locate(ctx, actor, w.grants[i%64].String())
		return err
	}); err != nil {
		return err
	}
	return one("of which the key", 0, func(int) error {
		_, err := e.Access.Program(ctx, key, addr)
		return err
	})
}
