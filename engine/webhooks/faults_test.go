package webhooks

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/cluster"
	"github.com/postern-mail/postern/models/store/storetest"
)

// proxy stands between a sender and its receiver and does to their connections what networks do.
type proxy struct {
	net.Listener
	to   string
	mode atomic.Value // clean, stall, reset, trickle, cut
	dice *rand.Rand
	mu   sync.Mutex
}

func newProxy(t *testing.T, to string, dice *rand.Rand) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to, dice: dice}
	p.mode.Store("clean")
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

func (p *proxy) roll(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dice.IntN(n)
}

// serve joins one connection to the receiver. A stalled one is never answered; a reset one breaks after some bytes, in either direction; a trickled one comes byte
// by byte; a cut one loses the answer after the receiver has taken the event.
func (p *proxy) serve(conn net.Conn) {
	defer conn.Close()
	mode, _ := p.mode.Load().(string)
	if mode == "stall" {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	there, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer there.Close()
	done := make(chan struct{}, 2)
	up, down := -1, -1 // bytes before it breaks
	switch mode {
	case "reset":
		if up = p.roll(1500); p.roll(2) == 0 {
			up, down = -1, p.roll(80)
		}
	case "cut":
		down = 0
	}
	go func() { copySome(there, conn, up, 0); done <- struct{}{} }()
	go func() {
		slow := time.Duration(0)
		if mode == "trickle" {
			slow = time.Millisecond
		}
		copySome(conn, there, down, slow)
		done <- struct{}{}
	}()
	<-done
	if tcp, ok := conn.(*net.TCPConn); ok && mode != "clean" {
		_ = tcp.SetLinger(0) // RST
	}
}

// copySome copies until most bytes have passed; below 0 there is no limit. With slow each byte takes that long.
func copySome(to io.Writer, from io.Reader, most int, slow time.Duration) {
	buffer := make([]byte, 4096)
	if slow > 0 {
		buffer = buffer[:1]
	}
	for passed := 0; ; {
		n, err := from.Read(buffer)
		if most >= 0 && passed+n > most {
			_, _ = to.Write(buffer[:max(0, most-passed)])
			return
		}
		passed += n
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
		time.Sleep(slow)
	}
}

// TestBadNetworks: whatever the network does between sender and receiver, every event arrives in the end, signed, with one id, and nothing is recorded as
// delivered that the receiver did not take.
func TestBadNetworks(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(t)
	r := newReceiver(t)
	p := newProxy(t, r.Listener.Addr().String(), rand.New(rand.NewPCG(seed, 1)))
	hook, key := w.create("http://" + p.Addr().String())
	w.client.Timeout = 400 * time.Millisecond // instead of 15 seconds
	rounds := 1
	if os.Getenv("POSTERN_SOAK") != "" {
		rounds = 20
	}
	sent := map[string]bool{}
	for range rounds {
		for _, mode := range []string{"reset", "stall", "trickle", "cut", "clean"} {
			p.mode.Store(mode)
			w.client.CloseIdleConnections() // so that each mode meets connections of its own
			for n := range 8 {
				sent[w.happen(w.a, "grant.created", map[string]string{"grant_id": fmt.Sprint(n)}).String()] = true
			}
			w.work()
			if n := w.count(`SELECT count(*) FROM deliveries WHERE status = 'delivered'`); n > distinct(r, func(received) bool { return true }) {
				t.Errorf("%s: %d deliveries are recorded as delivered, and the receiver saw %d events", mode, n, distinct(r, func(received) bool { return true }))
			}
		}
		// The network is well again, and the receiver is given the time that a busy machine takes. Some of the deliveries failed once, some more often.
		w.client.Timeout = time.Minute
		for range len(waits) {
			if w.clock.turn(3 * time.Hour); w.work() == 0 {
				break
			}
		}
		w.client.Timeout = 400 * time.Millisecond
	}
	if n := distinct(r, func(c received) bool { return signedBy(key, c) }); n != len(sent) {
		t.Errorf("%d of %d events arrived signed", n, len(sent))
	}
	if n := w.count(`SELECT count(*) FROM deliveries WHERE webhook_id = $1 AND status = 'delivered'`, hook.ID.String()); n != len(sent) {
		t.Errorf("%d of %d deliveries are recorded", n, len(sent))
	}
	if n := w.count(`SELECT count(*) FROM attempts WHERE status = 0 AND problem = ''`); n != 0 {
		t.Errorf("%d attempts without an answer say nothing", n)
	}
}

// distinct counts the events among the calls that hold.
func distinct(r *receiver, holds func(received) bool) int {
	ids := map[string]bool{}
	for _, c := range r.calls() {
		if id := eventID(c.body); id != "" && holds(c) {
			ids[id] = true
		}
	}
	return len(ids)
}

// TestPostgresRestarts stops and starts the database server itself, with its disk, while events are committed and sent. What was committed arrives.
func TestPostgresRestarts(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute")
	}
	ctx, quiet := context.Background(), slog.New(slog.DiscardHandler)
	where := cluster.Config{Dir: t.TempDir(), Logger: quiet}
	server, err := cluster.Start(ctx, where)
	if err != nil {
		t.Fatal(err)
	}
	home := server.Home()
	t.Cleanup(func() { _ = server.Stop(); _ = os.RemoveAll(home) })
	dsn, err := server.EnsureDatabase(ctx, "postern")
	if err != nil {
		t.Fatal(err)
	}
	if err := storetest.Install(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(ctx, store.Config{DSN: dsn, Secret: storetest.Secret, Conns: 8, Now: time.Now, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := newWorldOn(t, &storetest.Database{Store: s, DSN: dsn, Secret: storetest.Secret})
	w.Service.clock, w.hold = time.Now, 2*time.Second
	r := newReceiver(t)
	hook, key := w.create(r.URL)
	w.run()

	committed := map[string]bool{}
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
			}
			var id models.EventID
			err := w.InTenant(ctx, w.a, func(tx *store.Tx) (err error) {
				id, err = w.outbox.Event(ctx, tx, outbox.Event{Tenant: w.a, Application: w.app, Type: "grant.created", Source: "/nylas/system", Object: n})
				return err
			})
			if err == nil {
				committed[id.String()] = true
			}
		}
	}()
	restarts := 2
	if os.Getenv("POSTERN_SOAK") != "" {
		restarts = 20
	}
	for range restarts {
		had := len(r.calls())
		eventually(t, "events in full flow", func() bool { return len(r.calls()) > had+100 })
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
		if server, err = cluster.Start(ctx, where); err != nil {
			t.Fatal(err)
		}
	}
	had := len(r.calls())
	eventually(t, "events after the last restart", func() bool { return len(r.calls()) > had+100 })
	close(stop)
	<-over
	eventually(t, "all that was committed, recorded", func() bool {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return false
		}
		defer conn.Close(ctx)
		n := 0
		err = conn.QueryRow(ctx, `SELECT count(*) FROM deliveries WHERE webhook_id = $1 AND status = 'delivered'`, hook.ID.String()).Scan(&n)
		return err == nil && n >= len(committed)
	})
	arrived := map[string]bool{}
	for _, c := range r.calls() {
		if !signedBy(key, c) {
			t.Fatal("a call is not signed as it should be")
		}
		arrived[eventID(c.body)] = true
	}
	for id := range committed {
		if !arrived[id] {
			t.Errorf("event %s was committed and never arrived", id)
		}
	}
	t.Logf("%d events over %d restarts, %d calls", len(committed), restarts, len(r.calls()))
}
