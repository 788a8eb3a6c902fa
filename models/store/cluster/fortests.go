package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// idleSeconds is how long the shared test server waits for a next client before it ends.
const idleSeconds = 60

// lent runs the shared test server apart from any test process and ends it when nobody has used it for a while.
//
// $1 its folder, $2 idle seconds, $3 seconds between two looks, $4 psql, then the server's command. A folder is used by one server only and goes with it.
// The file "live" is the door: a joining test touches it. Before ending, the loop takes the door away (one atomic rename)
// and looks once more whether somebody touched it meanwhile; so nobody joins a server that is about to end.
const lent = `home=$1 idle=$2 tick=$3 psql=$4
shift 4
"$@" &
pid=$!
trap 'kill -INT $pid' INT TERM
quiet=0
while kill -0 $pid 2>/dev/null; do
	sleep "$tick"
	n=$("$psql" -XAtw -d postgres -c "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()" 2>/dev/null)
	if [ "$n" = 0 ]; then quiet=$((quiet+tick)); else quiet=0; fi
	[ $quiet -lt "$idle" ] && continue
	mv "$home/live" "$home/dying" 2>/dev/null || break
	if [ -n "$(find "$home/dying" -mmin -1 2>/dev/null)" ]; then
		mv "$home/dying" "$home/live"
		quiet=0
		continue
	fi
	break
done
kill -INT $pid 2>/dev/null
wait $pid
rm -rf "$home/data" "$home/run" "$home/live" "$home/dying"`

// ForTests lends the throwaway server that all test programs of this user share: it joins the running one or starts it.
//
// The server runs without fsync, takes 500 connections, and ends itself a minute after the last client left; its data
// goes with it. Callers make their own databases and drop them. Call Stop to let go; ctx bounds the joining alone.
func ForTests(ctx context.Context) (*Cluster, error) {
	return shared(ctx, "", idleSeconds)
}

// shared is ForTests with a place and patience of the caller's choice, for our own tests.
func shared(ctx context.Context, root string, idle int) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	o, err := serverUser()
	if err != nil {
		return nil, err
	}
	if root == "" {
		if root, err = sharedRoot(o); err != nil {
			return nil, err
		}
	}
	lock, err := waitForLock(ctx, root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }()

	// The file current names the folder of the running server.
	pointer := filepath.Join(root, "current")
	if name, err := os.ReadFile(pointer); err == nil {
		if c, err := join(ctx, filepath.Join(root, filepath.Base(strings.TrimSpace(string(name))))); err == nil {
			return c, nil
		}
	}
	if err := sweep(ctx, root); err != nil {
		return nil, err
	}
	home := filepath.Join(root, strings.ToLower(rand.Text()[:10]))
	if err := lend(ctx, home, o, idle); err != nil {
		return nil, err
	}
	c, err := join(ctx, home)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(home, "postgres.log"))
		return nil, fmt.Errorf("%w\n%s", err, tail(string(log), 12))
	}
	if err := os.WriteFile(pointer, []byte(filepath.Base(home)), 0o600); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return c, nil
}

// sharedRoot is a folder of this user's in the first temporary folder that the server's user can enter. Its name carries a
// version: servers started by another version of this file are left to end by themselves.
func sharedRoot(o *owner) (string, error) {
	for _, tmp := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if !o.canEnter(tmp) {
			continue
		}
		root := filepath.Join(tmp, "postern-tests-v1-"+strconv.Itoa(os.Geteuid()))
		if err := makeHome(root, o); err != nil {
			return "", fmt.Errorf("cluster: %w", err)
		}
		info, err := os.Lstat(root)
		if err != nil {
			return "", fmt.Errorf("cluster: %w", err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
			return "", fmt.Errorf("cluster: %s is not a folder of our own; remove it", root)
		}
		return root, nil
	}
	return "", errors.New("cluster: no temporary folder that the server's user can enter")
}

func waitForLock(ctx context.Context, root string) (*os.File, error) {
	for {
		lock, err := lockHome(root)
		if err == nil || !errors.Is(err, ErrInUse) {
			return lock, err
		}
		if pause(ctx, 20*time.Millisecond); ctx.Err() != nil {
			return nil, fmt.Errorf("cluster: wait for another test that starts the shared server: %w", ctx.Err())
		}
	}
}

// join touches the door and keeps one connection open, which tells the server that it is in use.
func join(ctx context.Context, home string) (*Cluster, error) {
	now := time.Now()
	if err := os.Chtimes(filepath.Join(home, "live"), now, now); err != nil {
		return nil, fmt.Errorf("cluster: the shared server is ending: %w", err)
	}
	password, err := os.ReadFile(filepath.Join(home, "password"))
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	c := &Cluster{home: home, socket: filepath.Join(home, "run"), password: strings.TrimSpace(string(password))}
	for try := 0; ; try++ {
		if c.held, err = pgx.Connect(ctx, c.DSN("postgres")); err == nil {
			return c, nil
		}
		if try > 400 || ctx.Err() != nil {
			return nil, fmt.Errorf("cluster: join the shared server: %w", err)
		}
		// A server that is just starting has no socket yet; one that was killed never will.
		if pid, _ := tracedPID(filepath.Join(home, "data", "postmaster.pid")); try > 80 && (pid == 0 || !alive(pid)) {
			return nil, fmt.Errorf("cluster: the shared server is gone: %w", err)
		}
		pause(ctx, 25*time.Millisecond)
	}
}

// sweep removes the folders of servers that are gone, for example since the machine was restarted.
func sweep(ctx context.Context, root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	for _, e := range entries {
		home := filepath.Join(root, e.Name())
		pid, err := tracedPID(filepath.Join(home, "data", "postmaster.pid"))
		if !e.IsDir() || err != nil || (pid != 0 && isServerOf(pid, filepath.Join(home, "data"))) || ctx.Err() != nil {
			continue
		}
		if err := os.RemoveAll(home); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cluster: remove the folder of an old test server: %w", err)
		}
	}
	return nil
}

// lend starts a shared server in home, a folder that does not exist yet. The server belongs to no test process.
func lend(ctx context.Context, home string, o *owner, idle int) error {
	programs, err := findFor(filepath.Join(home, "data"))
	if err != nil {
		return err
	}
	if err := o.mkdir(home); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	password, err := create(ctx, programs, home, o, true)
	if err != nil {
		return err
	}
	socket, err := socketDir(home, o)
	if err != nil {
		return err
	}
	live := filepath.Join(home, "live")
	if err := os.WriteFile(live, nil, 0o600); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	if err := o.give(live); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	out, err := os.OpenFile(filepath.Join(home, "postgres.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	defer func() { _ = out.Close() }()

	args := append([]string{"-c", lent, "sh", home, strconv.Itoa(idle), strconv.Itoa(max(1, idle/20)), programs.path("psql"), programs.path("postgres"),
		"-D", filepath.Join(home, "data")}, settings(socket, true)...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir, cmd.SysProcAttr = home, o.attributes()
	cmd.Env = append(cleanEnv(), "PGHOST="+socket, "PGPORT="+port, "PGUSER="+superuser, "PGPASSWORD="+password, "PGCONNECT_TIMEOUT=5")
	// Files, never our own pipes: "go test" waits until everybody has closed those.
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cluster: start the shared test server: %w", err)
	}
	// It outlives us, and a goroutine that waits for it would look like a leak in the tests that look for leaks.
	return cmd.Process.Release()
}
