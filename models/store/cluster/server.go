package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// guarded becomes the server, after leaving a watcher behind that holds the read end of a pipe from us. Whatever ends our
// process, the kernel closes the other end, and the watcher ends the server: first in order, after a minute at once.
// A line on the pipe dismisses the watcher, so that it can never signal a process that merely inherited the number.
// (PR_SET_PDEATHSIG would do it on Linux alone, fires when a mere thread of ours ends, and is lost with changed credentials.)
// The watcher is forked twice so that the server, which takes a dying child for a crash of its own, is not its parent.
const guarded = `exec 3<&0 </dev/null
( (
	if read -r word <&3; then exit 0; fi
	kill -INT $$
	n=0
	while kill -0 $$ 2>/dev/null && [ $n -lt 60 ]; do sleep 1; n=$((n+1)); done
	kill -QUIT $$ 2>/dev/null
) & )
exec 3<&-
exec "$@"`

// server is a running postmaster, child of this process.
type server struct {
	cmd  *exec.Cmd
	log  string
	from int64 // where this run's part of the log begins
	done chan struct{}
	once sync.Once
	err  error // how it ended; read after done
}

func launch(program string, args []string, home string, o *owner) (*server, error) {
	logFile := filepath.Join(home, "postgres.log")
	if info, err := os.Stat(logFile); err == nil && info.Size() > 4<<20 {
		if err := os.Rename(logFile, logFile+".1"); err != nil {
			return nil, fmt.Errorf("cluster: %w", err)
		}
	}
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	defer func() { _ = out.Close() }()
	s := &server{log: logFile, done: make(chan struct{})}
	if info, err := out.Stat(); err == nil {
		s.from = info.Size()
	}
	watcher, leash, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	defer func() { _ = watcher.Close() }()

	s.cmd = exec.Command("/bin/sh", append([]string{"-c", guarded, "sh", program}, args...)...)
	s.cmd.Dir, s.cmd.Env, s.cmd.SysProcAttr = home, cleanEnv(), o.attributes()
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = watcher, out, out
	if err := s.cmd.Start(); err != nil {
		_ = leash.Close()
		return nil, fmt.Errorf("cluster: start postgres: %w", err)
	}
	go func() {
		s.err = s.cmd.Wait()
		_, _ = io.WriteString(leash, "dismissed\n") // fails when the watcher is gone already, which is as well
		_ = leash.Close()
		close(s.done)
	}()
	return s, nil
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// end stops the server: in order (SIGINT cuts the clients off), then without ceremony (SIGQUIT: the next start recovers).
func (s *server) end() error {
	s.once.Do(func() {
		for _, step := range []struct {
			signal syscall.Signal
			wait   time.Duration
		}{{syscall.SIGINT, 45 * time.Second}, {syscall.SIGQUIT, 10 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
			if err := s.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
				continue
			}
			select {
			case <-s.done:
				return
			case <-time.After(step.wait):
			}
		}
	})
	select {
	case <-s.done:
		if s.err != nil {
			return fmt.Errorf("cluster: the server ended badly: %w", s.err)
		}
		return nil
	default:
		return fmt.Errorf("cluster: the server (pid %d) does not end", s.pid())
	}
}

// lastLog is what this run wrote last, for an error.
func (s *server) lastLog() string {
	f, err := os.Open(s.log)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Seek(s.from, io.SeekStart); err != nil {
		return ""
	}
	text, _ := io.ReadAll(io.LimitReader(f, 1<<20))
	return tail(string(text), 12)
}
