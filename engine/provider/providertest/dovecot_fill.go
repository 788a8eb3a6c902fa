package providertest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Fill puts n messages into the inbox of an account that was not used yet, read, in order, by writing its files: ten thousand take a second. The mailbox is
// Maildir++, so that the names of the files say the order.
func (d *DovecotServer) Fill(t testing.TB, login string, n int, mail func(i int) string) {
	t.Helper()
	home := filepath.Join(d.dir, "mail", login)
	about, err := os.Stat(filepath.Join(d.dir, "mail"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{home, filepath.Join(home, "cur"), filepath.Join(home, "new"), filepath.Join(home, "tmp")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		chown(folder, about)
	}
	for i := range n {
		path := filepath.Join(home, "cur", fmt.Sprintf("%d.M%dP1.test:2,S", 1_800_000_000+i, i))
		write(t, path, []byte(mail(i)), 0o644)
		chown(path, about)
	}
}

// chown gives a file to whom another belongs, where we may.
func chown(path string, like os.FileInfo) {
	if s, ok := like.Sys().(*syscall.Stat_t); ok {
		_ = os.Chown(path, int(s.Uid), int(s.Gid))
	}
}
