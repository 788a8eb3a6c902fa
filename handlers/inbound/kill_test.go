package inbound_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/handlers/inbound"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
	"github.com/postern-mail/postern/web"
)

// The environment that makes this test program a receiver: the database, and the file of its key.
const receiverDSN, receiverKey = "POSTERN_TEST_RECEIVER_DSN", "POSTERN_TEST_RECEIVER_KEY"

// TestReceiverProcess is not a test of its own: it is what the child process of TestKillTheReceiver runs, until it is killed.
func TestReceiverProcess(t *testing.T) {
	dsn := os.Getenv(receiverDSN)
	if dsn == "" {
		t.Skip("this is the child of TestKillTheReceiver")
	}
	quiet := slog.New(slog.DiscardHandler)
	s, err := store.Open(context.Background(), store.Config{DSN: dsn, Secret: storetest.Secret, Conns: 8, Now: time.Now, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	kek, err := vault.ReadFileKEK(os.Getenv(receiverKey))
	if err != nil {
		t.Fatal(err)
	}
	v := verifications.New(verifications.Config{Store: s, Safe: sealed.New(vault.New(kek, "test", time.Now), time.Now), Audit: audit.New(s, time.Now),
		DigestKey: []byte("a key for digests in the tests..."), Now: time.Now, Logger: quiet})
	server := httptest.NewUnstartedServer(nil)
	base, _ := url.Parse("http://" + server.Listener.Addr().String())
	srv := web.New(web.Config{BaseURL: base, Now: time.Now, Logger: quiet})
	srv.Mount(inbound.New(v, quiet).Web())
	server.Config.Handler = srv.Handler()
	server.Start()
	fmt.Println(server.URL)
	select {} // until killed
}

func (w *world) spawn() (*exec.Cmd, string) {
	w.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestReceiverProcess$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), receiverDSN+"="+w.DSN, receiverKey+"="+w.keyFile)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://") {
		rest, _ := io.ReadAll(out)
		w.t.Fatalf("the receiver says %q: %v\n%s", line, err, rest)
	}
	return cmd, strings.TrimSpace(line)
}

// TestKillTheReceiver kills the receiving process with SIGKILL at random points under load. A ledger outside of it keeps what was answered 200: each
// of these events is in the log, with exactly one effect. POSTERN_SOAK makes it 200 points instead of 20.
func TestKillTheReceiver(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	points := 20
	if os.Getenv("POSTERN_SOAK") != "" {
		points = 200
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d points", seed, points)
	dice := rand.New(rand.NewPCG(seed, 1))

	w := newWorld(t)
	e := w.source(verifications.KindV3, firstSecret)
	var mu sync.Mutex
	address := ""
	taken, cut := map[string]bool{}, 0
	stop := make(chan struct{})
	var wg sync.WaitGroup
	client := &http.Client{Timeout: 5 * time.Second}
	for range 6 {
		wg.Go(func() {
			body := event()
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				to := address
				mu.Unlock()
				if to == "" {
					time.Sleep(time.Millisecond)
					continue
				}
				req, _ := http.NewRequest(http.MethodPost, to+"/hooks/"+e.ID.String(), bytes.NewReader(body))
				req.Header.Set("x-nylas-signature", sign(secret.New(firstSecret), body))
				resp, err := client.Do(req)
				if err != nil || resp.StatusCode != 200 { // the process died, or says to try again: the same event goes out once more
					mu.Lock()
					cut++
					mu.Unlock()
					if err == nil {
						_ = resp.Body.Close()
					}
					time.Sleep(time.Millisecond)
					continue
				}
				_ = resp.Body.Close()
				var sent struct{ ID string }
				_ = json.Unmarshal(body, &sent)
				mu.Lock()
				taken[sent.ID] = true
				mu.Unlock()
				body = event()
			}
		})
	}
	for range points {
		child, to := w.spawn()
		mu.Lock()
		address = to
		had := len(taken)
		mu.Unlock()
		for flowing := false; !flowing; time.Sleep(time.Millisecond) {
			mu.Lock()
			flowing = len(taken) > had
			mu.Unlock()
		}
		time.Sleep(time.Duration(dice.IntN(80_000)) * time.Microsecond)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
	}
	close(stop)
	wg.Wait()
	missing := 0
	for id := range taken {
		switch n := w.count(`SELECT count(*) FROM verifications WHERE event_id = $1 AND reason = 'ok' AND verdict = 'accepted'`, id); {
		case n == 0:
			missing++
		case n > 1:
			t.Errorf("event %s had %d effects", id, n)
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d events that were answered 200 are not in the log", missing, len(taken))
	}
	if cut < points || len(taken) < points {
		t.Errorf("%d events taken, %d calls cut off: the points say little", len(taken), cut)
	}
	t.Logf("%d events answered 200, %d calls cut off", len(taken), cut)
}
