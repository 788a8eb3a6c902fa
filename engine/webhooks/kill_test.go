package webhooks

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// The environment that makes this test program a sender: the database, and the file of its key.
const senderDSN, senderKey = "POSTERN_TEST_SENDER_DSN", "POSTERN_TEST_SENDER_KEY"

// TestSenderProcess is not a test of its own: it is what the child process of TestKillTheSender runs, until it is killed.
func TestSenderProcess(t *testing.T) {
	dsn := os.Getenv(senderDSN)
	if dsn == "" {
		t.Skip("this is the child of TestKillTheSender")
	}
	ctx := context.Background()
	quiet := slog.New(slog.DiscardHandler)
	s, err := store.Open(ctx, store.Config{DSN: dsn, Secret: storetest.Secret, Conns: 8, Now: time.Now, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	kek, err := vault.ReadFileKEK(os.Getenv(senderKey))
	if err != nil {
		t.Fatal(err)
	}
	safe := sealed.New(vault.New(kek, "test", time.Now), time.Now)
	out, err := outbox.New(safe, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("sending")
	New(Config{Store: s, Safe: safe, Audit: audit.New(s, time.Now), Outbox: out, DigestKey: []byte("a key for digests in the tests..."), PlainHTTP: true, Hold: 300 * time.Millisecond,
		Guard: dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), Now: time.Now, Logger: quiet}).Send(ctx)
}

// spawn starts a sender and returns when it sends.
func (w *world) spawn() *exec.Cmd {
	w.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSenderProcess$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), senderDSN+"="+w.DSN, senderKey+"="+w.keyFile)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "sending\n" {
		rest, _ := io.ReadAll(out)
		w.t.Fatalf("the sender says %q: %v\n%s", line, err, rest)
	}
	return cmd
}

// arrivals is a receiver that counts how often each event came, and what was wrong with a call.
type arrivals struct {
	mu    sync.Mutex
	times map[string]int
	bad   []string
}

func (a *arrivals) note(id string, genuine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !genuine {
		a.bad = append(a.bad, id)
	}
	a.times[id]++
}

func (a *arrivals) distinct() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.times)
}

// TestKillTheSender kills the sending process with SIGKILL at random points while events are written. Every event that was committed arrives, at
// least once and with one id. POSTERN_SOAK makes it 200 points instead of 20.
func TestKillTheSender(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	points := 20
	if os.Getenv("POSTERN_SOAK") != "" {
		points = 200
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d points", seed, points)
	dice := rand.New(rand.NewPCG(seed, 1))

	w := newWorld(t)
	got := &arrivals{times: map[string]int{}}
	known := make(chan secret.Text, 1)
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if in.Method == http.MethodGet {
			_, _ = io.WriteString(out, in.URL.Query().Get("challenge"))
			return
		}
		body, err := io.ReadAll(in.Body)
		if err != nil {
			return // the sender died while it wrote: nothing arrived
		}
		current := <-known
		known <- current
		var e struct{ ID string }
		_ = json.Unmarshal(body, &e)
		got.note(e.ID, signedBy(current, received{in.Header, body}))
	}))
	t.Cleanup(server.Close)
	_, key, err := w.Create(context.Background(), w.staff, draft(w.app, server.URL))
	if err != nil {
		t.Fatal(err)
	}

	known <- key

	committed := map[string]bool{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(4 * time.Millisecond):
				committed[w.happen(w.a, "grant.created", map[string]int{"n": n}).String()] = true
			}
		}
	}()
	for point := range points {
		had, child := got.distinct(), w.spawn()
		if point%2 == 0 { // every other one dies in full flow, the rest anywhere from its first step on
			for end := time.Now().Add(time.Minute); got.distinct() == had; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("a process sends nothing")
				}
			}
		}
		time.Sleep(time.Duration(dice.IntN(150)) * time.Millisecond) // the point at which it dies
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
	}
	close(stop)
	<-done
	before := got.distinct()
	w.spawn()
	recorded, end := 0, time.Now().Add(time.Minute)
	for recorded < len(committed) {
		time.Sleep(200 * time.Millisecond) // another process works
		n := w.count(`SELECT count(*) FROM deliveries WHERE status = 'delivered'`)
		if n > recorded {
			recorded, end = n, time.Now().Add(time.Minute) // it goes on, however slowly
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d events were delivered", n, len(committed))
		}
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	twice := 0
	for id := range committed {
		switch n := got.times[id]; {
		case n == 0:
			t.Errorf("event %s was committed and never arrived", id)
		case n > 1:
			twice++
		}
	}
	for id := range got.times {
		if !committed[id] {
			t.Errorf("%q arrived and was never committed", id)
		}
	}
	if len(got.bad) > 0 {
		t.Errorf("%d calls were not signed as they should be", len(got.bad))
	}
	if n := w.count(`SELECT count(*) FROM deliveries`); n != len(committed) {
		t.Errorf("%d deliveries of %d events", n, len(committed))
	}
	if before < points/2 || twice == 0 && points > 100 {
		t.Errorf("%d of %d events arrived while processes died, %d more than once: the points say little", before, len(committed), twice)
	}
	t.Logf("%d events, %d of them arrived before the last process started, %d more than once", len(committed), before, twice)
}
