package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// childDir makes this test program a stand-in for Postern: it starts the cluster in that folder and waits to be killed.
const childDir = "POSTERN_TEST_CLUSTER_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		c, err := Start(context.Background(), Config{Dir: dir, Throwaway: true})
		if err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		fmt.Println("pid", c.server.pid())
		<-c.Done()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// openDir is a temporary folder that the server's user can enter: t.TempDir may be closed to others.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "postern-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func query[T any](t *testing.T, dsn, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var v T
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestDataIsKeptBetweenStarts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "pg")
	c := start(t, Config{Dir: dir})
	dsn, err := c.EnsureDatabase(t.Context(), "postern")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `CREATE TABLE kept AS SELECT 7 AS n`); err != nil {
		t.Fatal(err)
	}
	for setting, want := range map[string]string{
		"listen_addresses": "", "fsync": "on", "data_checksums": "on", "log_statement": "none", "server_encoding": "UTF8",
		"max_connections": "200", "password_encryption": "scram-sha-256",
	} {
		if got := query[string](t, dsn, `SELECT current_setting('`+setting+`')`); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	if _, err := Start(t.Context(), Config{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second start on the same folder: %v, want ErrInUse", err)
	}
	if info, err := os.Stat(c.socket); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others can reach the socket: %v, %v", info, err)
	}
	wrong := strings.Replace(dsn, c.password, "guessed", 1)
	if conn, err := pgx.Connect(t.Context(), wrong); err == nil {
		_ = conn.Close(t.Context())
		t.Fatal("a wrong password got in")
	}
	// An open client must not hold the stop up.
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(context.Background())

	c = start(t, Config{Dir: dir})
	if dsn, err = c.EnsureDatabase(t.Context(), "postern"); err != nil {
		t.Fatal(err)
	}
	if n := query[int](t, dsn, `SELECT n FROM kept`); n != 7 {
		t.Fatalf("kept %d", n)
	}
	log, err := os.ReadFile(filepath.Join(c.Home(), "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "kept") {
		t.Errorf("a statement stands in the log:\n%s", log)
	}
}

// child runs this program as a Postern that holds dir, and returns it with the server's pid.
func child(t *testing.T, dir string) (*exec.Cmd, int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	word, number, _ := strings.Cut(strings.TrimSpace(line), " ")
	pid, atoiErr := strconv.Atoi(number)
	if err != nil || word != "pid" || atoiErr != nil {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return cmd, pid
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for alive(pid) && !zombie(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("the server (pid %d) is still there", pid)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// zombie: ended, but where process 1 is no init nobody collects it.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && strings.HasPrefix(rest, "Z")
}

func TestServerEndsWithACrashedParent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "pg")
	cmd, pid := child(t, dir)
	if !alive(pid) {
		t.Fatal("the server is not there")
	}
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	waitGone(t, pid)
	c := start(t, Config{Dir: dir, Throwaway: true})
	query[int](t, c.DSN("postgres"), `SELECT 1`)
}

// When the watcher is killed with the parent, the server stays; the next start must end it and go on with its data.
func TestLeftoverServerIsReplaced(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("finding the watcher needs /proc")
	}
	dir := filepath.Join(openDir(t), "pg")
	cmd, pid := child(t, dir)
	watcher := watcherOf(t, pid)
	if err := syscall.Kill(watcher, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	time.Sleep(300 * time.Millisecond) // had the watcher lived, the server would be gone by now
	if !alive(pid) {
		t.Fatal("the server ended without a watcher: the test shows nothing")
	}
	c := start(t, Config{Dir: dir, Throwaway: true})
	waitGone(t, pid)
	query[int](t, c.DSN("postgres"), `SELECT 1`)
}

// watcherOf finds the shell in the server's session.
func watcherOf(t *testing.T, server int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// pid (name) state ppid pgrp session ...
		head, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 3 && fields[3] == strconv.Itoa(server) && strings.HasSuffix(head, "(sh") {
			pid, err := strconv.Atoi(strings.Fields(head)[0])
			if err == nil {
				return pid
			}
		}
	}
	t.Fatal("no watcher found")
	return 0
}

// A trace whose number now belongs to another process must neither be signalled nor keep the server from starting.
func TestStaleTraceOfAReusedPID(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "pg")
	c := start(t, Config{Dir: dir, Throwaway: true})
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	bystander := exec.Command("sleep", "60")
	o, err := serverUser()
	if err != nil {
		t.Fatal(err)
	}
	bystander.SysProcAttr = o.attributes()
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
	trace := filepath.Join(c.Home(), "data", "postmaster.pid")
	if err := os.WriteFile(trace, fmt.Appendf(nil, "%d\n%s\n", bystander.Process.Pid, filepath.Dir(trace)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.give(trace); err != nil {
		t.Fatal(err)
	}
	c = start(t, Config{Dir: dir, Throwaway: true})
	query[int](t, c.DSN("postgres"), `SELECT 1`)
	if !alive(bystander.Process.Pid) {
		t.Error("the bystander was ended")
	}
}

func TestFolderThatTheServersUserCannotEnter(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root hands the server to another user")
	}
	base := openDir(t)
	closed := filepath.Join(base, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Dir: filepath.Join(closed, "checkout", ".postern", "postgres"), Throwaway: true, elsewhere: filepath.Join(base, "lib")}
	c := start(t, cfg)
	if !strings.HasPrefix(c.Home(), cfg.elsewhere+"/") {
		t.Fatalf("the data lies in %s", c.Home())
	}
	if _, err := c.EnsureDatabase(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	note, err := os.ReadFile(filepath.Join(cfg.Dir, "WHERE"))
	if err != nil || !strings.Contains(string(note), c.Home()) {
		t.Errorf("the note says %q, %v", note, err)
	}
	// Opened up later, the data is still found where it is.
	if err := os.Chmod(closed, 0o755); err != nil {
		t.Fatal(err)
	}
	c = start(t, cfg)
	if !query[bool](t, c.DSN("postgres"), `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = 'kept')`) {
		t.Error("the data was not kept")
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}

	// A database that is not where the note says is no reason for an empty one.
	if err := os.Rename(c.Home(), c.Home()+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("started without its data: %v", err)
	}
	// Whoever removes the folder begins anew.
	if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	c = start(t, cfg)
	if query[bool](t, c.DSN("postgres"), `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = 'kept')`) {
		t.Error("the old data came back")
	}
}

func TestLongPathGetsAShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), strings.Repeat("long-name/", 12), "pg")
	c := start(t, Config{Dir: dir, Throwaway: true})
	t.Cleanup(func() { _ = os.RemoveAll(c.socket) })
	query[int](t, c.DSN("postgres"), `SELECT 1`)
	if len(c.socket) > socketLimit {
		t.Errorf("socket folder %s", c.socket)
	}
}

func TestASocketFolderOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can prepare a folder of another user")
	}
	home := filepath.Join("/nowhere", strings.Repeat("long-name/", 12))
	o, err := serverUser()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := socketDir(home, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chown(dir, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	if _, err := socketDir(home, o); err == nil {
		t.Error("a foreign folder was taken")
	}
}

func TestCutOffCreationIsRepeated(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "pg")
	if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("of a try that was cut off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	c := start(t, Config{Dir: dir, Throwaway: true})
	query[int](t, c.DSN("postgres"), `SELECT 1`)
}
