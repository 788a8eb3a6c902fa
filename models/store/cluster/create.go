package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// create makes the data in home unless it is there, and returns the superuser's password.
//
// The data is made beside its place and moved there when it is whole, after its password: a start that was cut off leaves
// nothing that a later one could take for a cluster.
func create(ctx context.Context, p programs, home string, o *owner, throwaway bool) (string, error) {
	passwordFile := filepath.Join(home, "password")
	if hasData(home) {
		password, err := os.ReadFile(passwordFile)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cluster: %s holds data but no password file; put the file back from your backup, or move the folder away to begin anew", home)
		}
		if err != nil {
			return "", fmt.Errorf("cluster: read the password: %w", err)
		}
		return strings.TrimSpace(string(password)), nil
	}

	data, fresh, handover := filepath.Join(home, "data"), filepath.Join(home, "data.new"), filepath.Join(home, "initdb.tmp")
	for _, leftover := range []string{fresh, handover} {
		if err := os.RemoveAll(leftover); err != nil {
			return "", fmt.Errorf("cluster: clear %s: %w", leftover, err)
		}
	}
	// Only an empty folder may stand where the data goes: whatever else is there is somebody's.
	if err := os.Remove(data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cluster: %s is in the way: %w", data, err)
	}
	password := rand.Text()
	if err := writeDurably(passwordFile, password+"\n"); err != nil {
		return "", fmt.Errorf("cluster: write the password: %w", err)
	}
	if err := o.mkdir(fresh); err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	// initdb reads the password from a file only, and as the server's user, who may not read ours.
	if err := os.WriteFile(handover, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	defer func() { _ = os.Remove(handover) }()
	if err := o.give(handover); err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	if err := initdb(ctx, p, home, fresh, handover, o, throwaway); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, data); err != nil {
		return "", fmt.Errorf("cluster: put the data in its place: %w", err)
	}
	return password, nil
}

func initdb(ctx context.Context, p programs, home, data, passwordFile string, o *owner, throwaway bool) error {
	run := func(locale string) (string, error) {
		args := []string{
			"--pgdata=" + data, "--username=" + superuser, "--pwfile=" + passwordFile, "--auth=scram-sha-256",
			"--encoding=UTF8", "--locale=" + locale, "--data-checksums",
		}
		if throwaway {
			args = append(args, "--no-sync")
		}
		cmd := exec.CommandContext(ctx, p.path("initdb"), args...)
		cmd.Dir, cmd.Env, cmd.SysProcAttr = home, cleanEnv(), o.attributes()
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		return out.String(), err
	}
	out, err := run("C.UTF-8")
	if err != nil && strings.Contains(out, "invalid locale name") {
		out, err = run("C") // macOS before 15 has no C.UTF-8; sorting is by bytes in both
	}
	if err != nil {
		return fmt.Errorf("cluster: initdb in %s: %w\n%s", home, err, tail(out, 12))
	}
	return nil
}

// writeDurably has the file on the disk before it returns: initdb syncs its data, and data without its password is lost.
func writeDurably(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
