package cluster

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// elsewhereRoot holds clusters whose own folder the server's user cannot enter, for example a checkout under /root. It is not
// the default data folder, /var/lib/postern, which may be closed itself.
const elsewhereRoot = "/var/lib/postern-postgres"

// socketLimit is what sun_path holds (108 bytes on Linux, 104 elsewhere), without its final zero, on the stricter side.
const socketLimit = 103

// ErrInUse says that a live process holds the cluster's folder.
var ErrInUse = errors.New("cluster: another Postern is using this data folder; stop it first, or give this one a folder of its own")

// owner is the user that the server runs as. nil is the user of this process.
type owner struct {
	name     string
	uid, gid uint32
}

// serverUser is nil unless we are root: then it is the user postgres, or else nobody.
func serverUser() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return &owner{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("cluster: Postgres refuses to run as root, and there is neither a user postgres nor a user nobody; start Postern as another user")
}

// attributes of a process of the server: its own session, so that a Ctrl-C meant for us does not reach it first.
func (o *owner) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if o != nil {
		attr.Credential = &syscall.Credential{Uid: o.uid, Gid: o.gid}
	}
	return attr
}

// give hands a file or folder to the server's user.
func (o *owner) give(path string) error {
	if o == nil {
		return nil
	}
	return os.Lchown(path, int(o.uid), int(o.gid))
}

// canEnter asks the kernel itself, by a process of that user: modes, ACLs and mounts all count.
func (o *owner) canEnter(dir string) bool {
	if o == nil {
		return true
	}
	cmd := exec.Command("/bin/sh", "-c", ":")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, cleanEnv(), o.attributes()
	return cmd.Run() == nil
}

// mkdir makes the folder for the server's user alone. One that is there already is left as it is: ownsAlone judges it.
func (o *owner) mkdir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return o.give(dir)
}

// chooseHome picks the folder that holds everything and makes it. It belongs to us, not to the server's user, so that a
// taken-over server can plant nothing where we write as root; only data and socket, one floor down, are the server's.
func chooseHome(cfg Config, o *owner) (string, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	if err := makeHome(dir, o); err != nil {
		return "", fmt.Errorf("cluster: make the data folder: %w", err)
	}
	// One folder has one place, whatever link it was reached by.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	if o == nil {
		return dir, nil
	}

	root := cfg.elsewhere
	if root == "" {
		root = elsewhereRoot
	}
	// Data that once had to go elsewhere stays there, even when the folder has been opened up since. Whoever removes the
	// folder removes the note too, and begins anew: what else the folder held, such as a key, is gone as well.
	other, err := readNote(dir, root)
	if err != nil || other != "" {
		return other, err
	}
	if o.canEnter(dir) {
		return dir, nil
	}
	other = filepath.Join(root, strings.ToLower(rand.Text()[:16]))
	for _, folder := range []string{root, other} {
		if err := makeHome(folder, o); err != nil {
			return "", fmt.Errorf("cluster: make %s: %w", folder, err)
		}
	}
	if !o.canEnter(other) {
		return "", fmt.Errorf("cluster: the user %s can enter neither %s nor %s; name a data folder that it can enter", o.name, dir, other)
	}
	note := fmt.Sprintf("The user %s cannot enter this folder, so the database is kept in\n%s\n", o.name, other)
	if err := writeDurably(filepath.Join(dir, noteFile), note); err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	return other, nil
}

// noteFile says in which folder below elsewhereRoot the data lies.
const noteFile = "WHERE"

// readNote gives the folder that the note names; empty without a note.
func readNote(dir, root string) (string, error) {
	note, err := os.ReadFile(filepath.Join(dir, noteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(note)), "\n")
	other := filepath.Clean(lines[len(lines)-1])
	if filepath.Dir(other) != root {
		return "", fmt.Errorf("cluster: %s names a folder that is not in %s; remove the file to begin anew", filepath.Join(dir, noteFile), root)
	}
	if _, err := os.Stat(other); err != nil {
		return "", fmt.Errorf("cluster: the database of %s is kept in another folder, which is not there; put it back, or remove the file %s to begin anew: %w", dir, noteFile, err)
	}
	return other, nil
}

func hasData(home string) bool {
	_, err := os.Stat(filepath.Join(home, "data", "PG_VERSION"))
	return err == nil
}

// makeHome makes the folder; with a server user of its own it may be passed through, but not listed, by others.
func makeHome(dir string, o *owner) error {
	mode := fs.FileMode(0o700)
	if o != nil {
		mode = 0o711
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(dir, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(dir, mode) // past the umask
}

// lockHome holds the folder for this process. The kernel lets go of it when the process ends, however it ends.
func lockHome(home string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(home, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (%s)", ErrInUse, home)
		}
		return nil, fmt.Errorf("cluster: lock %s: %w", home, err)
	}
	return f, nil
}

// socketDir makes the folder of the socket: below home, or, when that path is too long for a socket, a short one in the
// temporary folder that is ours alone.
func socketDir(home string, o *owner) (string, error) {
	dir := filepath.Join(home, "run")
	if len(filepath.Join(dir, ".s.PGSQL."+port)) > socketLimit {
		sum := sha256.Sum256([]byte(home))
		dir = filepath.Join("/tmp", "postern-"+hex.EncodeToString(sum[:8]))
	}
	if err := o.mkdir(dir); err != nil {
		return "", fmt.Errorf("cluster: make the socket's folder: %w", err)
	}
	return dir, o.ownsAlone(dir)
}

// ownsAlone refuses a folder that somebody else could have prepared for us in a place that all may write to.
func (o *owner) ownsAlone(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	want := uint32(os.Geteuid())
	if o != nil {
		want = o.uid
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || stat.Uid != want || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("cluster: %s is not a folder of our own (mode 0700); remove it", dir)
	}
	return nil
}

// cleanEnv keeps the caller's PG* variables, and its secrets, away from the server.
func cleanEnv() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}
