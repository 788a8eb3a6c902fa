package tombstones

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
)

// Stone says what was cut, and when. Grant is zero for a whole tenant.
type Stone struct {
	Tenant models.TenantID
	Grant  models.GrantID
	At     time.Time // whoever consented after it is alive
}

// Grave is whether the stone stands for a whole tenant.
func (s Stone) Grave() bool { return s.Grant.IsZero() }

// line is a stone as it is written: one JSON object a line. Sum is HMAC-SHA256 over the sum before it and the line without its own.
type line struct {
	Tenant string `json:"tenant"`
	Grant  string `json:"grant,omitempty"`
	At     string `json:"at"`
	Sum    string `json:"sum"`
}

// ErrDamaged is a ledger that was altered or cut in its middle. Postern does not start with one: what it would bring back to life cannot be told.
var ErrDamaged = fault.New(fault.Invalid, "tombstones_damaged", "The ledger of what was cut was altered or is damaged. Put back the file as Postern left it; its copy beside the key file's will do. Without it a restored database could bring back access that was cut.")

// Ledger is an append-only file. It is safe for concurrent use, and several processes may share the file.
type Ledger struct {
	path string
	key  []byte

	mu    sync.Mutex
	known map[Stone]bool // with At as it is written
}

// Open reads a ledger; a file that is not there is an empty one. key is the installation's own: a ledger of another does not read. A last line that was torn by a crash is dropped when the next is
// written; damage anywhere else is ErrDamaged.
func Open(path string, key []byte) (*Ledger, []Stone, error) {
	l := &Ledger{path: path, key: key, known: map[Stone]bool{}}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the folder of the tombstones: %w", err)
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open the tombstones: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	stones, _, _, err := l.read(file)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range stones {
		l.known[rounded(s)] = true
	}
	return l, stones, nil
}

// Path is where the ledger is.
func (l *Ledger) Path() string { return l.path }

func rounded(s Stone) Stone {
	s.At = s.At.UTC().Truncate(time.Microsecond) // what the database keeps
	return s
}

// read gives the stones, the last sum, and where the whole lines end.
func (l *Ledger) read(file io.Reader) (stones []Stone, sum string, end int64, err error) {
	r := bufio.NewReader(file)
	for number := 1; ; number++ {
		text, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return stones, sum, end, nil // what is left, if anything, was torn: it has no end
		}
		if err != nil {
			return nil, "", 0, fmt.Errorf("read the tombstones: %w", err)
		}
		var row line
		if json.Unmarshal(text, &row) != nil || !hmac.Equal([]byte(row.Sum), []byte(l.sum(sum, row))) {
			return nil, "", 0, ErrDamaged.Because(fmt.Errorf("line %d of %s", number, l.path))
		}
		s, err := row.stone()
		if err != nil {
			return nil, "", 0, ErrDamaged.Because(fmt.Errorf("line %d of %s: %w", number, l.path, err))
		}
		stones, sum, end = append(stones, s), row.Sum, end+int64(len(text))
	}
}

func (l *Ledger) sum(before string, row line) string {
	mac := hmac.New(sha256.New, l.key)
	fmt.Fprintf(mac, "postern tombstone 1\n%s\n%s\n%s\n%s", before, row.Tenant, row.Grant, row.At)
	return hex.EncodeToString(mac.Sum(nil))
}

func (r line) stone() (Stone, error) {
	tenant, err := models.ParseID[models.TenantID](r.Tenant)
	if err != nil {
		return Stone{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, r.At)
	if err != nil {
		return Stone{}, err
	}
	s := Stone{Tenant: tenant, At: at}
	if r.Grant != "" {
		s.Grant, err = models.ParseID[models.GrantID](r.Grant)
	}
	return s, err
}

// Add writes stones that are not there yet, and says how many that were. When it returns they are on the disk.
func (l *Ledger) Add(stones []Stone) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var fresh []Stone
	for _, s := range stones {
		if s = rounded(s); !l.known[s] {
			fresh = append(fresh, s)
		}
	}
	if len(fresh) == 0 {
		return 0, nil
	}
	if err := l.write(fresh); err != nil {
		return 0, err
	}
	for _, s := range fresh {
		l.known[s] = true
	}
	return len(fresh), nil
}

func (l *Ledger) write(fresh []Stone) error {
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the tombstones: %w", err)
	}
	defer file.Close() //nolint:errcheck // Sync has told
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the tombstones: %w", err)
	}
	_, sum, end, err := l.read(file) // another process may have written since
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, s := range fresh {
		row := line{Tenant: s.Tenant.String(), At: s.At.Format(time.RFC3339Nano)}
		if !s.Grave() {
			row.Grant = s.Grant.String()
		}
		row.Sum = l.sum(sum, row)
		sum = row.Sum
		text, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("write a tombstone: %w", err)
		}
		out.Write(append(text, '\n'))
	}
	if err := file.Truncate(end); err != nil {
		return fmt.Errorf("drop a torn tombstone: %w", err)
	}
	if _, err := file.WriteAt(out.Bytes(), end); err != nil {
		return fmt.Errorf("write the tombstones: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("write the tombstones: %w", err)
	}
	return nil
}
