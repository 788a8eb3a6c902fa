package spool

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/iotest"
)

func filled(t *testing.T, n int) (*File, []byte) {
	t.Helper()
	f, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	content := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range content {
		content[i] = byte(r.Uint32())
	}
	for rest := content; len(rest) > 0; {
		k := min(len(rest), 1+r.IntN(70_000))
		if _, err := f.Write(rest[:k]); err != nil {
			t.Fatal(err)
		}
		rest = rest[k:]
	}
	return f, content
}

func TestGivesBackWhatItTook(t *testing.T) {
	for _, n := range []int{0, 1, piece - 1, piece, piece + 1, 3 * piece, 300_001} {
		f, content := filled(t, n)
		if f.Size() != int64(n) {
			t.Fatalf("%d bytes: size %d", n, f.Size())
		}
		if err := iotest.TestReader(io.NewSectionReader(f, 0, f.Size()), content); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		if _, err := f.Write([]byte("x")); err == nil && n > 0 {
			t.Error("written to after it was read")
		}
	}
}

// On disk there is nothing to read and nothing to find by name, and what is changed there is noticed.
func TestHidesItsContent(t *testing.T) {
	dir := t.TempDir()
	f, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	secret := bytes.Repeat([]byte("a letter that is nobody's business. "), 5000)
	_, _ = f.Write(secret)
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("the spool can be found by name: %v", left[0].Name())
	}
	got := make([]byte, 10)
	if _, err := f.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	disk := make([]byte, len(secret))
	n, _ := f.file.ReadAt(disk, 0)
	if n < len(secret)/2 || bytes.Contains(disk[:n], []byte("letter")) {
		t.Error("the content is on disk in the clear")
	}
	if _, err := f.file.WriteAt([]byte{disk[40_000] ^ 1}, 40_000); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(got, 40_000); err == nil {
		t.Error("a changed piece was taken for good")
	}
	_ = f.Close()
	if _, err := f.ReadAt(got, 0); err == nil {
		t.Error("read after it was closed")
	}
}
