package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider/providertest"
)

// workshop is where TestMain lets the tests put what they share: the built program.
var workshop struct {
	dir   string
	build sync.Once
	err   error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "postern-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	workshop.dir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// built is the program as it is delivered, compiled once for all tests.
func built(t *testing.T) string {
	t.Helper()
	path := filepath.Join(workshop.dir, "postern")
	workshop.build.Do(func() {
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			workshop.err = fmt.Errorf("build postern: %w\n%s", err, out)
		}
	})
	if workshop.err != nil {
		t.Fatal(workshop.err)
	}
	return path
}

// running is a Postern that runs as a process of its own.
type running struct {
	url  string
	stop func() // at once, as a crash would

	mu  sync.Mutex
	log bytes.Buffer
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(b)
}

// said is everything that the process wrote so far, its log included.
func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// start runs the program in the background until the test ends. Its output is shown when the test has failed.
func start(t *testing.T, environ []string, args ...string) *running {
	t.Helper()
	r := &running{}
	cmd := exec.Command(built(t), args...)
	cmd.Env = append(environ, "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"), "TMPDIR="+os.TempDir())
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), r, r
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	r.stop = func() { _ = cmd.Process.Kill(); <-ended }
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Errorf("postern %s does not stop", args[0])
			r.stop()
		}
		if t.Failed() {
			var worth []string
			for line := range strings.Lines(r.said()) {
				if !strings.Contains(line, "msg=request ") {
					worth = append(worth, line)
				}
			}
			t.Logf("postern %s wrote, beside its requests:\n%s", args[0], strings.Join(worth, ""))
		}
	})
	return r
}

// invoke runs a command of the program to its end.
func invoke(t *testing.T, environ []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, faults bytes.Buffer
	cmd := exec.CommandContext(t.Context(), built(t), args...)
	cmd.Env = append(environ, "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"), "TMPDIR="+os.TempDir())
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &out, &faults
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), faults.String(), cmd.ProcessState.ExitCode()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// eventually asks until yes answers true. What is waited for happens in another process, which has no other way to tell us; the limit only ends a run that is broken.
func eventually(t *testing.T, limit time.Duration, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !yes(); time.Sleep(50 * time.Millisecond) { // another program is waited for: looking is all that can be done
		if time.Now().After(end) {
			t.Fatalf("within %v: not %s", limit, what)
		}
	}
}

// startDemo starts a demo and gives it with what its file for programs says.
func startDemo(t *testing.T, environ ...string) (*running, map[string]string) {
	t.Helper()
	data := t.TempDir()
	file := filepath.Join(data, "demo.env")
	r := start(t, environ, "demo", "--addr", "127.0.0.1:"+freePort(t), "--data", data, "--env-file", file)
	var written []byte
	eventually(t, 120*time.Second, "a demo that is ready", func() (ready bool) {
		var err error
		written, err = os.ReadFile(file)
		return err == nil
	})
	values := map[string]string{"data": data}
	for line := range strings.Lines(string(written)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = value
	}
	r.url = values["POSTERN_URL"]
	return r, values
}

// rootsFile is the certificate of a mail server in a file, for POSTERN_EGRESS_ROOTS.
func rootsFile(t *testing.T, d *providertest.DovecotServer) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(path, d.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// answered is an answer of the v3 API.
type answered struct {
	status int
	body   map[string]any
	text   string
}

func (a answered) data() []map[string]any {
	list, _ := a.body["data"].([]any)
	out := make([]map[string]any, len(list))
	for i, x := range list {
		out[i], _ = x.(map[string]any)
	}
	return out
}

// ask is a program's call: a bearer, and a JSON body where there is one.
func ask(t *testing.T, method, address, bearer string, body any) answered {
	t.Helper()
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answered{status: res.StatusCode, text: string(text)}
	if err := json.Unmarshal(text, &a.body); err != nil {
		t.Fatalf("%s %s: %d, no JSON object: %s", method, address, res.StatusCode, text)
	}
	return a
}

// wants is ask with a status that must come back.
func wants(t *testing.T, status int, method, address, bearer string, body any) answered {
	t.Helper()
	a := ask(t, method, address, bearer, body)
	if a.status != status {
		t.Fatalf("%s %s: %d, wanted %d: %s", method, address, a.status, status, a.text)
	}
	return a
}
