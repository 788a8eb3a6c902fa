package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
)

// ErrSealed is all that is ever said of a value that does not open: a wrong key, another place and a changed byte look the same.
var ErrSealed = fault.New(fault.Internal, "sealed_value_does_not_open", "A stored secret could not be opened. Nothing was changed. Tell the people who run this service.")

// ErrWrongKey says that the key-encryption key is not the one this installation was made with.
var ErrWrongKey = fault.New(fault.Invalid, "key_is_another", "This key file belongs to another installation: it does not open what is sealed here. Put back the key file this installation was made with.")

// Place is where a ciphertext belongs. It opens nowhere else.
type Place struct {
	Tenant, Table, Column, Row string
	Version                    int // of the row: a copy put back later does not open
}

// WrappedKey is a tenant's data key as it is stored.
type WrappedKey struct {
	Tenant, ID string
	KEKID      string
	Wrapped    []byte
}

// Vault seals and opens. It is safe for concurrent use. It keeps unwrapped data keys in memory for keyLife at most; a caller that must not
// use a destroyed key asks the database for the wrapped one first, every time.
type Vault struct {
	kek      KEK
	instance string
	now      func() time.Time

	mu   sync.Mutex
	keys map[string]warmKey
}

type warmKey struct {
	aead  tink.AEAD
	until time.Time
}

const (
	keyLife = 5 * time.Minute
	mostKey = 10_000
)

// New makes the vault of one installation. instance is its id: ciphertexts of another one do not open here.
func New(kek KEK, instance string, now func() time.Time) *Vault {
	return &Vault{kek: kek, instance: instance, now: now, keys: map[string]warmKey{}}
}

// NewKey makes a data key for tenant, wrapped.
func (v *Vault) NewKey(tenant, id string) (WrappedKey, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return WrappedKey{}, fmt.Errorf("make a data key: %w", err)
	}
	var out bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&out), v.kek, v.keyData(tenant, id)); err != nil {
		return WrappedKey{}, fmt.Errorf("wrap a data key: %w", err)
	}
	return WrappedKey{Tenant: tenant, ID: id, KEKID: v.kek.ID(), Wrapped: out.Bytes()}, nil
}

// Seal encrypts plain for its place.
func (v *Vault) Seal(key WrappedKey, at Place, plain secret.Text) ([]byte, error) {
	cipher, err := v.unwrap(key)
	if err != nil {
		return nil, err
	}
	out, err := cipher.Encrypt([]byte(plain.Reveal()), v.placeData(at))
	if err != nil {
		return nil, fmt.Errorf("seal %s.%s: %w", at.Table, at.Column, err)
	}
	return out, nil
}

// Open decrypts what Seal made for the same place.
func (v *Vault) Open(key WrappedKey, at Place, sealed []byte) (secret.Text, error) {
	cipher, err := v.unwrap(key)
	if err != nil {
		return secret.Text{}, err
	}
	plain, err := cipher.Decrypt(sealed, v.placeData(at))
	if err != nil {
		return secret.Text{}, ErrSealed.Because(fmt.Errorf("%s.%s", at.Table, at.Column))
	}
	return secret.New(string(plain)), nil
}

// Forget drops a tenant's keys from memory: they were destroyed.
func (v *Vault) Forget(tenant string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name := range v.keys {
		if len(name) > len(tenant) && name[:len(tenant)] == tenant {
			delete(v.keys, name)
		}
	}
}

func (v *Vault) unwrap(key WrappedKey) (tink.AEAD, error) {
	// A rotation in another process changes the wrapped key: what is warm here is told apart by it.
	sum := sha256.Sum256(key.Wrapped)
	name := key.Tenant + "/" + key.ID + "/" + string(sum[:8])
	now := v.now()
	v.mu.Lock()
	warm, ok := v.keys[name]
	v.mu.Unlock()
	if ok && now.Before(warm.until) {
		return warm.aead, nil
	}
	handle, err := v.open(key)
	if err != nil {
		return nil, err
	}
	cipher, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("load a data key: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.keys) >= mostKey {
		clear(v.keys) // rare; the next uses unwrap again
	}
	v.keys[name] = warmKey{aead: cipher, until: now.Add(keyLife)}
	return cipher, nil
}

// keyData binds a wrapped data key to its tenant, so that swapping two tenants' wrapped keys is noticed.
func (v *Vault) keyData(tenant, id string) []byte {
	return associated("v1 data key", v.instance, tenant, id)
}

func (v *Vault) placeData(at Place) []byte {
	return associated("v1 value", v.instance, at.Tenant, at.Table, at.Column, at.Row, fmt.Sprint(at.Version))
}

// associated joins parts with their lengths, so that no two lists give the same bytes.
func associated(parts ...string) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
