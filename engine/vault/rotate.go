package vault

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// A data key is a set of keys. One is in use: it seals. The others open what was sealed before a rotation, until nothing is left under them.

// Ring is a key-encryption key in use, and those before it: they open what was wrapped under them, and wrap nothing.
type Ring struct {
	KEK
	Before []KEK
}

// source finds the key with id among the key in use and those before it.
func source(k KEK, id string) (KEK, error) {
	if k.ID() == id {
		return k, nil
	}
	if ring, ok := k.(Ring); ok {
		for _, old := range ring.Before {
			if old.ID() == id {
				return old, nil
			}
		}
	}
	return nil, ErrWrongKey.Because(fmt.Errorf("wrapped under key %s, given key %s", id, k.ID()))
}

// KEKID is the id of the key-encryption key in use.
func (v *Vault) KEKID() string { return v.kek.ID() }

// InUse is the number of the key that seals now, as Tink puts it before each ciphertext.
func (v *Vault) InUse(key WrappedKey) (uint32, error) {
	handle, err := v.open(key)
	if err != nil {
		return 0, err
	}
	return primary(handle)
}

func primary(handle *keyset.Handle) (uint32, error) {
	entry, err := handle.Primary()
	if err != nil {
		return 0, fmt.Errorf("look for the key in use: %w", err)
	}
	return entry.KeyID(), nil
}

// Rotated puts a new key in use. What was sealed under the one before still opens. The result is wrapped under the key-encryption key in use.
func (v *Vault) Rotated(key WrappedKey) (WrappedKey, uint32, error) {
	return v.change(key, func(m *keyset.Manager) error {
		id, err := m.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return err
		}
		return m.SetPrimary(id)
	})
}

// Rewrapped is the same data key under the key-encryption key in use.
func (v *Vault) Rewrapped(key WrappedKey) (WrappedKey, uint32, error) {
	return v.change(key, func(*keyset.Manager) error { return nil })
}

// Pruned keeps the key in use alone. Whatever is still sealed under another one never opens again: the caller has made sure that nothing is.
func (v *Vault) Pruned(key WrappedKey) (WrappedKey, uint32, error) {
	handle, err := v.open(key)
	if err != nil {
		return WrappedKey{}, 0, err
	}
	use, err := primary(handle)
	if err != nil {
		return WrappedKey{}, 0, err
	}
	return v.change(key, func(m *keyset.Manager) error {
		for i := range handle.Len() {
			entry, err := handle.Entry(i)
			if err != nil {
				return err
			}
			if entry.KeyID() != use {
				if err := m.Delete(entry.KeyID()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (v *Vault) change(key WrappedKey, fn func(*keyset.Manager) error) (WrappedKey, uint32, error) {
	handle, err := v.open(key)
	if err != nil {
		return WrappedKey{}, 0, err
	}
	manager := keyset.NewManagerFromHandle(handle)
	if err := fn(manager); err != nil {
		return WrappedKey{}, 0, fmt.Errorf("change a data key: %w", err)
	}
	if handle, err = manager.Handle(); err != nil {
		return WrappedKey{}, 0, fmt.Errorf("change a data key: %w", err)
	}
	use, err := primary(handle)
	if err != nil {
		return WrappedKey{}, 0, err
	}
	var out bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&out), v.kek, v.keyData(key.Tenant, key.ID)); err != nil {
		return WrappedKey{}, 0, fmt.Errorf("wrap a data key: %w", err)
	}
	return WrappedKey{Tenant: key.Tenant, ID: key.ID, KEKID: v.kek.ID(), Wrapped: out.Bytes()}, use, nil
}

// open unwraps a data key, with the key-encryption key that it names.
func (v *Vault) open(key WrappedKey) (*keyset.Handle, error) {
	kek, err := source(v.kek, key.KEKID)
	if err != nil {
		return nil, err
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(key.Wrapped)), kek, v.keyData(key.Tenant, key.ID))
	if err != nil {
		return nil, ErrSealed.Because(errors.New("the data key does not unwrap"))
	}
	return handle, nil
}

// Instance wraps what the installation rests on under the key-encryption key in use, where it is under one before it. changed is false where nothing was to do.
func (v *Vault) Instance(s InstanceSecret) (out InstanceSecret, changed bool, err error) {
	if s.KEKID == v.kek.ID() {
		return s, false, nil
	}
	plain, err := OpenInstanceSecret(v.kek, v.instance, s)
	if err != nil {
		return s, false, err
	}
	defer clear(plain)
	wrapped, bird, err := wrapInstance(v.kek, v.instance, slices.Clone(plain))
	if err != nil {
		return s, false, err
	}
	return InstanceSecret{KEKID: v.kek.ID(), Wrapped: wrapped, Canary: bird}, true, nil
}
