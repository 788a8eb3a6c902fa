package spool

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	piece = 32 << 10 // of content, encrypted in one go
	tag   = 16
)

var (
	errClosed = errors.New("the spool is closed")
	errFrozen = errors.New("the spool is being read and takes no more")
)

// File takes bytes once, in order, and gives them back from anywhere as often as wanted. It uses the memory of two pieces of 32 KiB, whatever it holds.
// Writing and reading exclude each other; reading is safe for concurrent use.
type File struct {
	mu     sync.Mutex
	file   *os.File
	seal   cipher.AEAD
	size   int64
	tail   []byte // of the piece being filled
	frozen bool
	at     int64  // number of the piece in open; -1 = none
	open   []byte // plain
	coded  []byte
}

// New makes an empty spool in dir, the system's folder for such files where dir is empty. Its file has no name from the start on, or loses it at once.
func New(dir string) (*File, error) {
	f, err := os.CreateTemp(dir, "postern-spool-") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("make a spool: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("make a spool: %w", err)
	}
	seal, err := freshKey()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &File{file: f, seal: seal, tail: make([]byte, 0, piece), at: -1, coded: make([]byte, 0, piece+tag)}, nil
}

func freshKey() (cipher.AEAD, error) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("make a spool's key: %w", err)
	}
	return cipher.NewGCM(block)
}

// Reset empties the spool, to be filled anew under another key: a nonce must not be used twice with one.
func (f *File) Reset() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return errClosed
	}
	seal, err := freshKey()
	if err != nil {
		return err
	}
	if err := f.file.Truncate(0); err != nil {
		return fmt.Errorf("empty a spool: %w", plainly(err))
	}
	f.seal, f.size, f.tail, f.frozen, f.at = seal, 0, f.tail[:0], false, -1
	return nil
}

// nonce is the number of the piece: the key lives for one file, and each of its pieces is sealed once.
func nonce(n int64) []byte {
	out := make([]byte, 12)
	binary.BigEndian.PutUint64(out[4:], uint64(n))
	return out
}

// Write implements io.Writer. After the first read it fails.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.file == nil:
		return 0, errClosed
	case f.frozen:
		return 0, errFrozen
	}
	done := 0
	for len(p) > 0 {
		n := copy(f.tail[len(f.tail):piece], p)
		f.tail = f.tail[:len(f.tail)+n]
		p, done = p[n:], done+n
		f.size += int64(n)
		if len(f.tail) == piece {
			if err := f.flush(); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

func (f *File) flush() error {
	n := (f.size - 1) / piece
	f.coded = f.seal.Seal(f.coded[:0], nonce(n), f.tail, nil)
	f.tail = f.tail[:0]
	if _, err := f.file.WriteAt(f.coded, n*(piece+tag)); err != nil {
		return fmt.Errorf("write a spool: %w", plainly(err))
	}
	return nil
}

// plainly drops the path of the file: it says nothing to anybody, for the file has no name.
func plainly(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Size is how many bytes were written.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return 0, errClosed
	}
	if off < 0 {
		return 0, errors.New("a spool begins at 0")
	}
	if !f.frozen {
		if len(f.tail) > 0 {
			if err := f.flush(); err != nil {
				return 0, err
			}
		}
		f.frozen, f.open = true, f.tail[:0] // the filled piece is of no more use
	}
	done := 0
	for len(p) > 0 {
		if off >= f.size {
			return done, io.EOF
		}
		if err := f.load(off / piece); err != nil {
			return done, err
		}
		n := copy(p, f.open[off%piece:])
		p, off, done = p[n:], off+int64(n), done+n
	}
	return done, nil
}

func (f *File) load(n int64) error {
	if n == f.at {
		return nil
	}
	f.at = -1
	length := min(piece, f.size-n*piece) + tag
	f.coded = f.coded[:length]
	if _, err := f.file.ReadAt(f.coded, n*(piece+tag)); err != nil {
		return fmt.Errorf("read a spool: %w", plainly(err))
	}
	open, err := f.seal.Open(f.open[:0], nonce(n), f.coded, nil)
	if err != nil {
		return errors.New("the spool was changed on disk")
	}
	f.at, f.open = n, open
	return nil
}

// Close gives the space back and forgets the key. It is safe to repeat.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file, f.seal = nil, nil
	clear(f.open)
	clear(f.tail[:cap(f.tail)])
	return err
}
