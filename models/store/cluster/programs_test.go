package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// install makes a fake installation that answers --version, and nothing else.
func install(t *testing.T, dir string, version string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres", "pg_ctl"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", name, version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	install(t, filepath.Join(root, "lib/9/bin"), "9.6.24")
	install(t, filepath.Join(root, "lib/15/bin"), "15.18 (Debian 15.18-0+deb12u1)")
	install(t, filepath.Join(root, "lib/17/bin"), "17.2")
	install(t, filepath.Join(root, "own/14"), "14.1")
	if err := os.Mkdir(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "own/14/initdb"), filepath.Join(root, "bin/initdb")); err != nil {
		t.Fatal(err)
	}
	globs := []string{filepath.Join(root, "lib/*/bin")}
	majors := func(found []programs) (list []int) {
		for _, p := range found {
			list = append(list, p.major)
		}
		return list
	}
	all := find([]string{filepath.Join(root, "bin"), "/nowhere"}, globs)
	if got := fmt.Sprint(majors(all)); got != "[14 17 15 9]" {
		t.Fatalf("found %s", got)
	}
	for _, c := range []struct {
		found       []programs
		data, major int
	}{{all, 0, 14}, {all[1:], 0, 17}, {all, 15, 15}, {all, 16, 0}, {all[3:], 0, 0}, {nil, 0, 0}} {
		got, err := choose(c.found, c.data)
		var missing *MissingError
		if got.major != c.major || (c.major == 0) != errors.As(err, &missing) {
			t.Errorf("choose(%v, %d) = %d, %v", majors(c.found), c.data, got.major, err)
		}
		if missing != nil && (missing.Major != c.data || missing.Install == "") {
			t.Errorf("the error names %+v", missing)
		}
	}
}

func TestInstallCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goos, release string
		major         int
		want          string
	}{
		{"linux", "ID=debian\n", 0, "apt-get install -y postgresql"},
		{"linux", "NAME=\"Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", 15, "apt-get install -y postgresql-15"},
		{"linux", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", 0, "dnf install -y postgresql-server"},
		{"linux", "ID=alpine\n", 16, "apk add postgresql16"},
		{"linux", "ID=arch\n", 0, "pacman -S postgresql"},
		{"linux", "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n", 0, "zypper install postgresql-server"},
		{"darwin", "", 0, "brew install postgresql@17"},
		{"darwin", "", 15, "brew install postgresql@15"},
	} {
		if got := installCommandOn(c.goos, c.release, c.major); got != c.want {
			t.Errorf("%s %q %d: %q, want %q", c.goos, c.release, c.major, got, c.want)
		}
	}
	if got := installCommandOn("linux", "ID=void", 0); !strings.Contains(got, "postgresql") {
		t.Errorf("an unknown system gets %q", got)
	}
}
