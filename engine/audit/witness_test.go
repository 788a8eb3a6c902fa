package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// clocked gives a log with witnesses and a clock that only the test moves.
func (w *world) clocked(at *time.Time, list ...audit.Witness) *audit.Log {
	guard := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return audit.NewLog(audit.LogConfig{Store: w.db.Store, Keeper: w.keeper, Origin: "postern/test", Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)), Now: func() time.Time { return *at }, Logger: slog.New(slog.DiscardHandler),
		Witnesses: list, Client: guard.HTTPClient(dial.Webhook, 0), Local: dial.Local})
}

func witness(t *testing.T, text string) audit.Witness {
	t.Helper()
	w, err := audit.ParseWitness(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return w
}

// TestWitnesses: a real file, a receiver over HTTP and a syslog socket each get the checkpoints, and each alone shows that the log was rewritten.
func TestWitnesses(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	var posted []string
	status := http.StatusNoContent
	receiver := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if status < 300 {
			posted = append(posted, string(text))
		}
		out.WriteHeader(status)
	}))
	t.Cleanup(receiver.Close)
	dir, err := os.MkdirTemp("/tmp", "w") // a socket's path must be short
	w.must(err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "log"), Net: "unixgram"})
	w.must(err)
	t.Cleanup(func() { _ = socket.Close() })
	kept := filepath.Join(dir, "checkpoints")
	file, web, sys := witness(t, "file:"+kept), witness(t, receiver.URL+"/take?token=s3cret"), witness(t, "syslog:"+filepath.Join(dir, "log"))
	at := time.Now()
	log := w.clocked(&at, file, web, sys)
	tell := func(to audit.Witness, want bool) {
		t.Helper()
		done, err := log.PublishTo(w.ctx, to)
		if err != nil || done != want {
			t.Errorf("%s: told %v, %v", to.Shown(), done, err)
		}
	}
	tell(file, false) // there is no checkpoint yet
	for round := range 2 {
		w.write(w.a, 4)
		w.sequence()
		for _, to := range []audit.Witness{file, web, sys} {
			tell(to, true)
			tell(to, false) // it has this one
		}
		w.write(w.a, 1)
		w.sequence()
		if round == 0 {
			tell(file, false) // not more than one a minute
		}
		at = at.Add(2 * time.Minute)
	}
	line := make([]byte, 64<<10)
	w.must(socket.SetReadDeadline(time.Now().Add(30 * time.Second)))
	n, err := socket.Read(line)
	w.must(err)
	said := string(line[:n])
	var logged string
	if _, text, ok := strings.Cut(said, " size 4 "); !ok || !strings.HasPrefix(said, "<110>") || json.Unmarshal([]byte(text), &logged) != nil {
		t.Fatalf("syslog was told %q", said)
	}
	text, err := os.ReadFile(kept)
	w.must(err)
	notes := audit.SplitNotes(string(text))
	if len(notes) != 2 || len(posted) != 2 || notes[0] != posted[0] || notes[0] != logged || notes[1] != posted[1] {
		t.Fatalf("the file has %q, the receiver %q, the log %q", notes, posted, logged)
	}
	bundle := w.export(models.TenantID{})
	if _, err := audit.Verify(strings.NewReader(bundle), w.key(), string(text)); err != nil {
		t.Errorf("an honest log against its witness: %v", err)
	}
	if _, err := audit.Verify(strings.NewReader(bundle), w.key(), string(text[:len(text)-30])); !isBroken(err) {
		t.Errorf("a witness's file that was cut off: %v", err)
	}
	w.owner(`ALTER TABLE audit_leaves DISABLE TRIGGER ALL; ALTER TABLE audit_hashes DISABLE TRIGGER ALL; ALTER TABLE checkpoints DISABLE TRIGGER ALL; DELETE FROM audit_leaves; DELETE FROM audit_hashes; DELETE FROM checkpoints;
		ALTER TABLE audit_entries DISABLE TRIGGER ALL; DELETE FROM audit_entries WHERE object_id = '2'; INSERT INTO audit_pending (entry_id) SELECT id FROM audit_entries ON CONFLICT DO NOTHING`)
	w.sequence()
	if _, err := audit.Verify(strings.NewReader(w.export(models.TenantID{})), w.key(), string(text)); !isBroken(err) {
		t.Errorf("a rewritten log against its witness: %v", err)
	}
	for _, row := range rows(w, log) {
		if strings.Contains(row.Shown+row.Name+row.Problem, "s3cret") {
			t.Errorf("the receiver's token is in the database: %+v", row)
		}
	}
}

func rows(w *world, log *audit.Log) []models.Witness {
	list, err := log.Witnesses(w.ctx)
	w.must(err)
	return list
}

// TestAWitnessThatIsDown is noted, tried again later and later, and told the newest checkpoint when it is back. The sequencer does not notice.
func TestAWitnessThatIsDown(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	status, calls, last := http.StatusServiceUnavailable, 0, ""
	receiver := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		calls, last = calls+1, string(text)
		out.WriteHeader(status)
	}))
	t.Cleanup(receiver.Close)
	at := time.Now()
	down := witness(t, receiver.URL+"/take?token=s3cret")
	log := w.clocked(&at, down)
	w.write(w.a, 2)
	w.sequence()
	var waits []time.Duration
	for range 6 {
		if done, err := log.PublishTo(w.ctx, down); err == nil || done || strings.Contains(err.Error(), "s3cret") {
			t.Fatalf("told %v, %v", done, err)
		}
		row := rows(w, log)[0]
		waits = append(waits, row.NextAt.Sub(at).Round(time.Second))
		if done, err := log.PublishTo(w.ctx, down); done || err != nil {
			t.Errorf("tried again at once: %v, %v", done, err)
		}
		at = row.NextAt
	}
	if waits[0] != 5*time.Second || waits[1] != 10*time.Second || waits[5] != 160*time.Second || calls != 6 {
		t.Errorf("%d calls, waits %v", calls, waits)
	}
	if row := rows(w, log)[0]; row.Tries != 6 || !strings.Contains(row.Problem, "2xx") || row.Size != 0 {
		t.Errorf("%+v", row)
	}
	w.write(w.a, 3)
	if w.sequence() != 3 {
		t.Error("the sequencer waits for a witness")
	}
	mu.Lock()
	status = http.StatusOK
	mu.Unlock()
	if done, err := log.PublishTo(w.ctx, down); err != nil || !done {
		t.Fatalf("told %v, %v", done, err)
	}
	if row := rows(w, log)[0]; row.Tries != 0 || row.Problem != "" || row.Size != 5 || last != standing(w).Checkpoint.Note {
		t.Errorf("%+v, told %q", row, last)
	}
	// Another process has it in hand, and died: nobody else tells it until its time is over.
	at = at.Add(time.Hour)
	w.write(w.a, 1)
	w.sequence()
	w.must(w.db.OnPlatform(w.ctx, "a test", func(tx *store.Tx) error {
		_, err := tx.TakeWitness(rows(w, log)[0].Name, 6, at, at.Add(time.Minute))
		return err
	}))
	if done, err := log.PublishTo(w.ctx, down); done || err != nil {
		t.Errorf("told by two: %v, %v", done, err)
	}
	at = at.Add(61 * time.Second)
	if done, err := log.PublishTo(w.ctx, down); !done || err != nil {
		t.Errorf("not told after the other's end: %v, %v", done, err)
	}
}

func TestParseWitness(t *testing.T) {
	for text, shown := range map[string]string{"file:/var/log/checkpoints": "file /var/log/checkpoints", " syslog": "syslog /dev/log", "syslog:/run/log": "syslog /run/log", "https://w.example/a?token=x": "webhook w.example"} {
		if w := witness(t, text); w.Shown() != shown {
			t.Errorf("%q is shown as %q", text, w.Shown())
		}
	}
	for _, bad := range []string{"", "file:", "file:relative", "file:/a/../b", "syslog:udp", "ftp://x", "https://", "https://user:pw@x/", "w.example"} {
		if _, err := audit.ParseWitness(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
