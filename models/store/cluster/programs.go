package cluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version that the migrations are written for.
const oldest = 14

// MissingError says that no usable Postgres programs are on this machine.
type MissingError struct {
	Major   int    // the version that existing data needs; 0 when any would do
	Install string // the command that installs it here
}

// Error is a sentence for the operator, with the command to run.
func (e *MissingError) Error() string {
	if e.Major > 0 {
		return fmt.Sprintf("cluster: the data was made by PostgreSQL %d, whose programs are not on this machine; install them with: %s", e.Major, e.Install)
	}
	return fmt.Sprintf("cluster: no PostgreSQL programs (version %d or later) found; install them with: %s", oldest, e.Install)
}

// programs is one installation.
type programs struct {
	dir   string
	major int
}

func (p programs) path(name string) string { return filepath.Join(p.dir, name) }

// places are searched after PATH: Debian keeps its programs out of PATH, so that versions can stand side by side.
func places() []string {
	return []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/usr/lib/postgresql*/bin",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/opt/homebrew/bin", "/usr/local/bin", "/usr/bin",
	}
}

// findFor returns the programs that fit the data folder: those of its own major version when it holds data, else PATH's,
// else the newest.
func findFor(data string) (programs, error) {
	found := find(filepath.SplitList(os.Getenv("PATH")), places())
	major, err := dataMajor(data)
	if err != nil {
		return programs{}, err
	}
	return choose(found, major)
}

func choose(found []programs, major int) (programs, error) {
	for _, p := range found {
		if (major == 0 && p.major >= oldest) || (major != 0 && p.major == major) {
			return p, nil
		}
	}
	return programs{}, &MissingError{Major: major, Install: installCommand(major)}
}

// find lists installations, PATH first, then newest first.
func find(path, globs []string) []programs {
	var found []programs
	seen := map[string]bool{}
	look := func(dir string) {
		// A program may be a link into its installation; the others stand beside its target.
		real, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb"))
		if err != nil {
			return
		}
		dir = filepath.Dir(real)
		if seen[dir] {
			return
		}
		seen[dir] = true
		for _, name := range []string{"initdb", "postgres", "pg_ctl"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
				return
			}
		}
		if major := versionOf(filepath.Join(dir, "postgres")); major > 0 {
			found = append(found, programs{dir: dir, major: major})
		}
	}
	for _, dir := range path {
		look(dir)
	}
	first := len(found)
	for _, glob := range globs {
		dirs, _ := filepath.Glob(glob) // the only error is a malformed pattern, and ours are constant
		for _, dir := range dirs {
			look(dir)
		}
	}
	slices.SortStableFunc(found[first:], func(a, b programs) int { return b.major - a.major })
	return found
}

// versionOf reads "postgres (PostgreSQL) 15.18 (Debian ...)"; 0 means not understood.
func versionOf(program string) int {
	cmd := exec.Command(program, "--version")
	cmd.Env, cmd.Dir = cleanEnv(), "/"
	out, err := cmd.Output()
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(out), "(PostgreSQL) ")
	if !ok {
		return 0
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	major, _ := strconv.Atoi(rest[:end])
	return major
}

// dataMajor reads which major version made the data; 0 when there is none yet.
func dataMajor(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cluster: read the data's version: %w", err)
	}
	major, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil {
		return 0, fmt.Errorf("cluster: the data's version is not a number: %w", err)
	}
	return major, nil
}

func installCommand(major int) string {
	release, _ := os.ReadFile("/etc/os-release") // absent on systems that are recognised by runtime.GOOS alone
	return installCommandOn(runtime.GOOS, string(release), major)
}

func installCommandOn(goos, release string, major int) string {
	var id string
	for line := range strings.Lines(release) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name == "ID" || name == "ID_LIKE" {
			id += " " + strings.Trim(value, `"'`)
		}
	}
	is := func(names ...string) bool {
		return slices.ContainsFunc(strings.Fields(id), func(word string) bool { return slices.Contains(names, word) })
	}
	with := func(name, separator string) string {
		if major == 0 {
			return name
		}
		return name + separator + strconv.Itoa(major)
	}
	switch {
	case goos == "darwin":
		if major == 0 {
			return "brew install postgresql@17"
		}
		return "brew install " + with("postgresql", "@")
	case goos == "freebsd":
		if major == 0 {
			return "pkg install postgresql17-server"
		}
		return "pkg install " + with("postgresql", "") + "-server"
	case is("debian", "ubuntu"):
		return "apt-get install -y " + with("postgresql", "-")
	case is("fedora", "rhel", "centos"):
		return "dnf install -y postgresql-server"
	case is("alpine"):
		return "apk add " + with("postgresql", "")
	case is("arch"):
		return "pacman -S postgresql"
	case is("suse", "opensuse"):
		return "zypper install " + with("postgresql", "") + "-server"
	}
	return "your system's package manager (the package is usually called postgresql or postgresql-server)"
}
