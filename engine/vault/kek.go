package vault

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/postern-mail/postern/engine/fault"
)

// KEK is a key-encryption key: it wraps data keys and is never in the database. Encrypt and Decrypt must bind the associated data; a source that
// cannot (most cloud services) puts it inside the plaintext and compares it after opening.
type KEK interface {
	tink.AEAD
	ID() string // tells keys apart; gives nothing of the key away
}

// The faults of a key file, each with its cure.
var (
	ErrNoKeyFile = fault.New(fault.Invalid, "key_file_missing",
		"The key file does not exist. Make one with \"postern keys create\", or put the file of this installation back. Without it nothing sealed can be read.")
	ErrKeyFileOpen = fault.New(fault.Invalid, "key_file_readable_by_others",
		"The key file can be read by other users of this machine. Restrict it with \"chmod 600\".")
	ErrKeyFileForm = fault.New(fault.Invalid, "key_file_damaged", "The key file does not hold a Postern key. Restore it from where you keep it safe.")
)

const keyFileMark = "postern-key-1 "

// FileKEK is a key-encryption key in a file: 32 random bytes. Whoever reads the file and the database has everything; a key service is stronger.
type FileKEK struct {
	*subtle.AESGCM
	id string
}

// ID is a digest of the key, of 16 hexadecimal digits.
func (k FileKEK) ID() string { return k.id }

// ReadFileKEK loads the key from path, which only its owner may read.
func ReadFileKEK(path string) (FileKEK, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return FileKEK{}, ErrNoKeyFile.Because(err)
	}
	if err != nil {
		return FileKEK{}, fmt.Errorf("look at the key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return FileKEK{}, ErrKeyFileOpen.Because(fmt.Errorf("its mode is %v", info.Mode().Perm()))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return FileKEK{}, fmt.Errorf("read the key file: %w", err)
	}
	encoded, marked := strings.CutPrefix(strings.TrimSpace(string(text)), keyFileMark)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !marked || err != nil || len(key) != 32 {
		return FileKEK{}, ErrKeyFileForm
	}
	return newFileKEK(key)
}

// CreateFileKEK writes a new key to path and loads it. It never replaces a file that is there.
func CreateFileKEK(path string) (FileKEK, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails; it ends the process instead
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return FileKEK{}, fmt.Errorf("make the folder of the key file: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return FileKEK{}, fmt.Errorf("create the key file: %w", err)
	}
	_, err = file.WriteString(keyFileMark + base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return FileKEK{}, fmt.Errorf("write the key file: %w", err)
	}
	return newFileKEK(key)
}

func newFileKEK(key []byte) (FileKEK, error) {
	cipher, err := subtle.NewAESGCM(key)
	if err != nil {
		return FileKEK{}, fmt.Errorf("load the key: %w", err)
	}
	sum := sha256.Sum256(append([]byte("postern key id\x00"), key...))
	return FileKEK{AESGCM: cipher, id: hex.EncodeToString(sum[:8])}, nil
}
