package tombstones_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/tombstones"
	"github.com/postern-mail/postern/models"
)

func stone() tombstones.Stone {
	at := time.Now().UTC()
	return tombstones.Stone{Tenant: models.NewID[models.TenantID](at), Grant: models.NewID[models.GrantID](at), At: at}
}

func TestLedgerKeepsAndNoticesDamage(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "sub", "tombstones"), bytes.Repeat([]byte{3}, 32)
	l, none, err := tombstones.Open(path, key)
	if err != nil || len(none) != 0 {
		t.Fatal(err, none)
	}
	grave := stone()
	grave.Grant = models.GrantID{}
	first := []tombstones.Stone{stone(), stone(), grave}
	for range 2 { // the second time nothing is new
		if _, err := l.Add(first); err != nil {
			t.Fatal(err)
		}
	}
	// Two processes write to one file.
	other, _, err := tombstones.Open(path, key)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 10 {
		for _, who := range []*tombstones.Ledger{l, other} {
			wait.Go(func() {
				if _, err := who.Add([]tombstones.Stone{stone()}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	_, all, err := tombstones.Open(path, key)
	if err != nil || len(all) != 23 || !all[2].Grave() || all[0].Grant != first[0].Grant {
		t.Fatalf("%d stones, %v", len(all), err)
	}

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	damaged := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := tombstones.Open(path, key); !errors.Is(err, tombstones.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	damaged("a line taken out", bytes.Join(append(append([][]byte{}, lines[:1]...), lines[2:]...), nil))
	damaged("two lines changed places", bytes.Join(append([][]byte{lines[1], lines[0]}, lines[2:]...), nil))
	altered := bytes.Clone(text)
	altered[12] ^= 1
	damaged("a byte altered", altered)
	if err := os.WriteFile(path, text[:len(text)-20], 0o600); err != nil { // a crash in the last line
		t.Fatal(err)
	}
	torn, all, err := tombstones.Open(path, key)
	if err != nil || len(all) != 22 {
		t.Fatalf("after a torn line: %d stones, %v", len(all), err)
	}
	if _, err := torn.Add([]tombstones.Stone{stone()}); err != nil {
		t.Fatal(err)
	}
	if _, all, err = tombstones.Open(path, key); err != nil || len(all) != 23 {
		t.Errorf("the torn line was not replaced: %d stones, %v", len(all), err)
	}
	if _, _, err := tombstones.Open(path, bytes.Repeat([]byte{4}, 32)); !errors.Is(err, tombstones.ErrDamaged) {
		t.Errorf("another installation's ledger: %v", err)
	}
}
