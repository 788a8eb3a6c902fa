package inbound_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/cluster"
	"github.com/postern-mail/postern/models/store/storetest"
)

// outage makes the test's database unreachable: every connection to it is cut, and no new one is let in, until the function that it gives is called.
func (w *world) outage() func() {
	w.t.Helper()
	ctx := context.Background()
	config, err := pgx.ParseConfig(w.DSN)
	if err != nil {
		w.t.Fatal(err)
	}
	name := config.Database
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		w.t.Fatal(err)
	}
	do := func(statement string) {
		w.t.Helper()
		if _, err := conn.Exec(ctx, statement); err != nil {
			w.t.Fatal(err)
		}
	}
	quoted := pgx.Identifier{name}.Sanitize()
	do(`ALTER DATABASE ` + quoted + ` WITH ALLOW_CONNECTIONS false`)
	do(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '` + strings.ReplaceAll(name, "'", "''") + `'`)
	return func() {
		do(`ALTER DATABASE ` + quoted + ` WITH ALLOW_CONNECTIONS true`)
		_ = conn.Close(ctx)
	}
}

// senders deliver events as fast as they are answered, and each again until it is taken.
type senders struct {
	w       *world
	answers [600]atomic.Int64
	sent    atomic.Int64
	stop    chan struct{}
	group   sync.WaitGroup
}

func (w *world) deliver(e models.InboundEndpoint, n int) *senders {
	s := &senders{w: w, stop: make(chan struct{})}
	for range n {
		s.group.Go(func() {
			for {
				select {
				case <-s.stop:
					return
				default:
				}
				body := event()
				s.sent.Add(1)
				for {
					resp, _ := w.post(e.ID.String(), call{body: body, signature: sign(secret.New(firstSecret), body)})
					s.answers[resp.StatusCode].Add(1)
					if resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "" {
						w.t.Error("503 without Retry-After")
					}
					if resp.StatusCode != 503 {
						break
					}
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	return s
}

func (s *senders) taken() int64 { return s.answers[200].Load() }

// end stops the senders. Nothing but 200 and 503 was answered, and the log has each event once.
func (s *senders) end() {
	s.w.t.Helper()
	close(s.stop)
	s.group.Wait()
	for code := range s.answers {
		if n := s.answers[code].Load(); n > 0 && code != 200 && code != 503 {
			s.w.t.Errorf("%d calls were answered %d", n, code)
		}
	}
	conn, err := pgx.Connect(context.Background(), s.w.DSN)
	if err != nil {
		s.w.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var events, effects int64
	if err := conn.QueryRow(context.Background(), `SELECT count(DISTINCT event_id), count(*) FILTER (WHERE reason = 'ok') FROM verifications WHERE verdict = 'accepted'`).Scan(&events, &effects); err != nil {
		s.w.t.Fatal(err)
	}
	if events != s.sent.Load() || effects != events {
		s.w.t.Errorf("%d events were answered 200; the log has %d, with %d effects", s.sent.Load(), events, effects)
	}
	s.w.t.Log(fmt.Sprint(s.sent.Load(), " events, ", s.answers[503].Load(), " calls put off"))
}

// TestTheDatabaseGoesAwayUnderLoad: meanwhile senders are told 503 and nothing else, what was answered 200 is in the log exactly once, and
// what was answered 503 gets through when it is tried again.
func TestTheDatabaseGoesAwayUnderLoad(t *testing.T) {
	w := newWorld(t)
	s := w.deliver(w.source(verifications.KindV3, firstSecret), 8)
	w.eventually("events before the outage", func() bool { return s.taken() > 20 })
	for range 2 {
		restore := w.outage()
		refused := s.answers[503].Load()
		w.eventually("calls during the outage", func() bool { return s.answers[503].Load() > refused+20 })
		restore()
		before := s.taken()
		w.eventually("events after the outage", func() bool { return s.taken() > before+20 })
	}
	s.end()
}

// TestPostgresRestartsUnderTheReceiver stops and starts the database server itself, on its disk, while events come in: only 503s meanwhile, and nothing is lost.
// POSTERN_SOAK makes it 20 restarts instead of 2.
func TestPostgresRestartsUnderTheReceiver(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
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
	db, err := store.Open(ctx, store.Config{DSN: dsn, Secret: storetest.Secret, Conns: 8, Now: time.Now, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := newWorldOn(t, &storetest.Database{Store: db, DSN: dsn, Secret: storetest.Secret})
	s := w.deliver(w.source(verifications.KindV3, firstSecret), 8)
	restarts := 2
	if os.Getenv("POSTERN_SOAK") != "" {
		restarts = 20
	}
	for range restarts {
		before := s.taken()
		w.eventually("events in full flow", func() bool { return s.taken() > before+20 })
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
		refused := s.answers[503].Load()
		w.eventually("calls while there is no server", func() bool { return s.answers[503].Load() > refused })
		if server, err = cluster.Start(ctx, where); err != nil {
			t.Fatal(err)
		}
	}
	before := s.taken()
	w.eventually("events after the last restart", func() bool { return s.taken() > before+20 })
	s.end()
}

// TestSlowSendersHoldUpNobody: forty senders stop in the middle of their headers or body and more trickle theirs; all others are answered, nothing of a call that was
// not whole is in the log, and a trickled one is as genuine as any.
func TestSlowSendersHoldUpNobody(t *testing.T) {
	w := newWorld(t)
	e := w.source(verifications.KindV3, firstSecret)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	whole := func() []byte {
		body := event()
		return fmt.Appendf(nil, "POST /hooks/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nx-nylas-signature: %s\r\nContent-Length: %d\r\n\r\n%s", e.ID, sign(secret.New(firstSecret), body), len(body), body)
	}
	var stalled []net.Conn
	for i := range 40 {
		conn, text := dial(), whole()
		part := len(text) - 1
		if i%2 == 0 {
			part = 60 // of the headers
		}
		if _, err := conn.Write(text[:part]); err != nil {
			t.Fatal(err)
		}
		stalled = append(stalled, conn)
	}
	var trickling sync.WaitGroup
	for range 5 {
		conn := dial()
		trickling.Go(func() {
			for _, b := range whole() {
				if _, err := conn.Write([]byte{b}); err != nil {
					t.Error(err)
					return
				}
			}
			if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 200 {
				t.Errorf("trickled: %v, %v", resp, err)
			}
		})
	}
	const prompt = 50
	for range prompt {
		body := event()
		if resp, _ := w.post(e.ID.String(), call{body: body, signature: sign(secret.New(firstSecret), body)}); resp.StatusCode != 200 {
			t.Errorf("a prompt sender is told %d", resp.StatusCode)
		}
	}
	trickling.Wait()
	for _, conn := range stalled {
		_ = conn.Close()
	}
	w.server.Close() // waits for the calls that were cut off
	if rows, genuine := w.count(`SELECT count(*) FROM verifications`), w.count(`SELECT count(*) FROM verifications WHERE reason = 'ok'`); rows != prompt+5 || genuine != rows {
		t.Errorf("%d rows, %d genuine; %d whole calls came", rows, genuine, prompt+5)
	}
}
