package inbound_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
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

// TestTheDatabaseGoesAwayUnderLoad: meanwhile senders are told 503 and nothing else, what was answered 200 is in the log exactly once, and
// what was answered 503 gets through when it is tried again.
func TestTheDatabaseGoesAwayUnderLoad(t *testing.T) {
	w := newWorld(t)
	e := w.source(verifications.KindV3, firstSecret)
	const senders = 8
	var answers [600]atomic.Int64
	var sent atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				body := event()
				sent.Add(1)
				for {
					resp, _ := w.post(e.ID.String(), call{body: body, signature: sign(secret.New(firstSecret), body)})
					answers[resp.StatusCode].Add(1)
					if resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "" {
						t.Error("503 without Retry-After")
					}
					if resp.StatusCode != 503 {
						break
					}
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	taken := func() int64 { return answers[200].Load() }
	w.eventually("events before the outage", func() bool { return taken() > 20 })
	for range 2 {
		restore := w.outage()
		refused := answers[503].Load()
		w.eventually("calls during the outage", func() bool { return answers[503].Load() > refused+20 })
		restore()
		before := taken()
		w.eventually("events after the outage", func() bool { return taken() > before+20 })
	}
	close(stop)
	wg.Wait()
	for code := range answers {
		if n := answers[code].Load(); n > 0 && code != 200 && code != 503 {
			t.Errorf("%d calls were answered %d", n, code)
		}
	}
	conn, err := pgx.Connect(context.Background(), w.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var events, effects int64
	if err := conn.QueryRow(context.Background(), `SELECT count(DISTINCT event_id), count(*) FILTER (WHERE reason = 'ok') FROM verifications WHERE verdict = 'accepted'`).Scan(&events, &effects); err != nil {
		t.Fatal(err)
	}
	if events != sent.Load() || effects != events {
		t.Errorf("%d events were answered 200; the log has %d, with %d effects", sent.Load(), events, effects)
	}
	t.Log(fmt.Sprint(sent.Load(), " events, ", answers[503].Load(), " calls put off"))
}
