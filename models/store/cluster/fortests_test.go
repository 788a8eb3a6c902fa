package cluster

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestManyShareOneServer(t *testing.T) {
	t.Parallel()
	root := openDir(t)
	var wg sync.WaitGroup
	homes := make([]string, 8)
	clusters := make([]*Cluster, len(homes))
	for i := range homes {
		wg.Go(func() {
			c, err := shared(t.Context(), root, 2)
			if err != nil {
				t.Error(err)
				return
			}
			homes[i], clusters[i] = c.Home(), c
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, home := range homes {
		if home != homes[0] {
			t.Fatalf("two servers: %s and %s", home, homes[0])
		}
	}
	pid, err := tracedPID(filepath.Join(homes[0], "data", "postmaster.pid"))
	if err != nil || pid == 0 {
		t.Fatalf("pid %d, %v", pid, err)
	}
	if got := query[string](t, clusters[0].DSN("postgres"), `SELECT current_setting('fsync')`); got != "off" {
		t.Errorf("fsync is %s", got)
	}

	// The door was last touched long ago, yet one client holds the server up.
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(homes[0], "live"), past, past); err != nil {
		t.Fatal(err)
	}
	for _, c := range clusters[1:] {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(5 * time.Second)
	query[int](t, clusters[0].DSN("postgres"), `SELECT 1`)

	// The last one gone, it ends; and whoever comes then gets a new one.
	if err := clusters[0].Stop(); err != nil {
		t.Error(err)
	}
	waitGone(t, pid)
	c, err := shared(t.Context(), root, 2)
	if err != nil {
		t.Fatal(err)
	}
	if c.Home() == homes[0] {
		t.Error("joined a server that had ended")
	}
	query[int](t, c.DSN("postgres"), `SELECT 1`)

	// A killed server is replaced too.
	pid, err = tracedPID(filepath.Join(c.Home(), "data", "postmaster.pid"))
	if err != nil || pid == 0 {
		t.Fatalf("pid %d, %v", pid, err)
	}
	if p, err := os.FindProcess(pid); err != nil || p.Kill() != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
	again, err := shared(t.Context(), root, 2)
	if err != nil {
		t.Fatal(err)
	}
	query[int](t, again.DSN("postgres"), `SELECT 1`)
	past = time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(again.Home(), "live"), past, past); err != nil {
		t.Fatal(err)
	}
	pid, _ = tracedPID(filepath.Join(again.Home(), "data", "postmaster.pid"))
	if err := again.Stop(); err != nil {
		t.Error(err)
	}
	waitGone(t, pid)
}
