package cluster

import (
	"bytes"
	"context"
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
)

// stopLeftover ends a server that still runs on the data, and clears the trace of one that does not.
//
// We hold the folder's lock, so no living Postern wants that server: its own died, and its watcher is either ending it now
// or was killed too. Adopting it would leave it without a watcher.
func stopLeftover(ctx context.Context, p programs, data string, o *owner) error {
	trace := filepath.Join(data, "postmaster.pid")
	pid, err := tracedPID(trace)
	if err != nil || pid == 0 {
		return err
	}
	if !isServerOf(pid, data) {
		// The number was given to another process since, and Postgres would refuse to start because of it.
		if err := os.Remove(trace); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cluster: clear the trace of a dead server: %w", err)
		}
		return nil
	}
	var last error
	for _, mode := range []string{"fast", "immediate"} {
		cmd := exec.CommandContext(ctx, p.path("pg_ctl"), "stop", "-D", data, "-m", mode, "-w", "-t", "45", "-s")
		cmd.Dir, cmd.Env, cmd.SysProcAttr = filepath.Dir(data), cleanEnv(), o.attributes()
		out, err := cmd.CombinedOutput()
		if err == nil || !alive(pid) {
			return nil
		}
		last = fmt.Errorf("cluster: stop the server left over on %s (pid %d): %w: %s", data, pid, err, bytes.TrimSpace(out))
	}
	return last
}

// tracedPID reads the first line of postmaster.pid; 0 when there is no such file or it was never finished.
func tracedPID(trace string) (int, error) {
	text, err := os.ReadFile(trace)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cluster: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 {
		return 0, nil
	}
	return pid, nil
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// isServerOf says whether the process is a postmaster of this data: one works in its data folder.
func isServerOf(pid int, data string) bool {
	if !alive(pid) {
		return false
	}
	if where, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd")); err == nil {
		real, err := filepath.EvalSymlinks(data)
		return err == nil && where == real
	}
	// No /proc, or a process of somebody else's: its name must do.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), data)
}
