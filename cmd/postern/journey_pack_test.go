package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ownerTakesPack is an evidence pack from the click to the check of its file where there is no network, as somebody does who was handed it on a stick.
func (j *journey) ownerTakesPack() {
	t := j.t
	p := j.someone("owner")
	p.visit(j.env["POSTERN_SIGNIN_OWNER"])
	p.visit("/security/packs")
	p.click("submit")
	p.sees("flash", "is being made")
	p.await(60*time.Second, "main", "Ready")
	p.pictures("packs")
	link := evaluate[string](p, `document.querySelector("main a[href$='.zip']").href`)
	text := evaluate[string](p, fmt.Sprintf(`fetch(%q).then(r => r.arrayBuffer()).then(b => btoa(Array.from(new Uint8Array(b), c => String.fromCharCode(c)).join("")))`, link))
	pack, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !bytes.HasPrefix(pack, []byte("PK")) {
		t.Fatalf("the pack is no zip: %v", err)
	}
	for _, s := range j.secrets {
		if bytes.Contains(pack, []byte(s)) {
			t.Error("a secret is in the pack")
		}
	}
	key := evaluate[string](p, `fetch("/.well-known/postern-audit-key").then(r => r.text())`)
	said, code := j.withoutNetwork("audit", "verify", "--key", strings.TrimSpace(key), j.file("pack.zip", pack))
	if code != 0 || !strings.Contains(said, "The pack holds") {
		t.Errorf("the pack: exit %d, %s", code, said)
	}
	pack[len(pack)/2] ^= 1
	if said, code = j.withoutNetwork("audit", "verify", "--key", strings.TrimSpace(key), j.file("altered.zip", pack)); code != exitBroken || !strings.Contains(said, "does not hold") {
		t.Errorf("the pack with a bit turned: exit %d, %s", code, said)
	}
}

func (j *journey) file(name string, content []byte) string {
	path := filepath.Join(j.t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		j.t.Fatal(err)
	}
	return path
}

// withoutNetwork runs the program in a network namespace of its own, which has not even a loopback that is up. Where this machine allows nobody to make one, it runs with
// the network, and the log says so.
func (j *journey) withoutNetwork(args ...string) (said string, code int) {
	j.t.Helper()
	for _, flags := range []uintptr{syscall.CLONE_NEWNET, syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, 0} {
		cmd := exec.CommandContext(j.t.Context(), built(j.t), args...)
		cmd.Env, cmd.SysProcAttr = []string{"PATH=" + os.Getenv("PATH")}, &syscall.SysProcAttr{Cloneflags: flags}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState != nil {
			return string(out), cmd.ProcessState.ExitCode()
		}
		if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOSPC) || flags == 0 {
			j.t.Fatal(err)
		}
		if flags != syscall.CLONE_NEWNET {
			j.t.Log("no network namespace can be made here: the pack is checked with the network on")
		}
	}
	return "", -1
}
