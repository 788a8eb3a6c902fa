package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
)

func newKEK(t *testing.T) vault.FileKEK {
	t.Helper()
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

func newKey(t *testing.T, v *vault.Vault, tenant, id string) vault.WrappedKey {
	t.Helper()
	key, err := v.NewKey(tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestAValueOpensOnlyInItsPlace turns red when any part of the associated data is left out.
func TestAValueOpensOnlyInItsPlace(t *testing.T) {
	v := vault.New(newKEK(t), "instance", time.Now)
	key := newKey(t, v, "tenant-a", "k1")
	home := vault.Place{Tenant: "tenant-a", Table: "sealed", Column: "refresh", Row: "grant/1", Version: 3}
	plain := secret.New("a refresh token")
	sealed, err := v.Seal(key, home, plain)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte(plain.Reveal())) {
		t.Fatal("the ciphertext holds the cleartext")
	}
	if got, err := v.Open(key, home, sealed); err != nil || !got.Equal(plain) {
		t.Fatalf("opened as %v, %v", got, err)
	}

	for name, at := range map[string]vault.Place{
		"tenant":  {Tenant: "tenant-b", Table: home.Table, Column: home.Column, Row: home.Row, Version: 3},
		"table":   {Tenant: home.Tenant, Table: "other", Column: home.Column, Row: home.Row, Version: 3},
		"column":  {Tenant: home.Tenant, Table: home.Table, Column: "access", Row: home.Row, Version: 3},
		"row":     {Tenant: home.Tenant, Table: home.Table, Column: home.Column, Row: "grant/2", Version: 3},
		"version": {Tenant: home.Tenant, Table: home.Table, Column: home.Column, Row: home.Row, Version: 2},
		"shifted": {Tenant: home.Tenant, Table: "seale", Column: "drefresh", Row: home.Row, Version: 3},
	} {
		if _, err := v.Open(key, at, sealed); !errors.Is(err, vault.ErrSealed) {
			t.Errorf("another %s: it opened, %v", name, err)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := v.Open(key, home, changed); err == nil {
			t.Fatalf("byte %d was changed and it opened", i)
		}
	}
	for _, foreign := range [][]byte{nil, {}, []byte("a refresh token"), bytes.Repeat([]byte{0}, 64)} {
		if _, err := v.Open(key, home, foreign); err == nil {
			t.Errorf("%d bytes that nobody sealed were taken", len(foreign))
		}
	}
	if _, err := vault.New(newKEK(t), "instance", time.Now).Open(key, home, sealed); err == nil {
		t.Error("another key-encryption key opened it")
	}
}

// TestWrappedKeysCannotBeSwapped is A56 for the keys themselves: one of another tenant opens nothing.
func TestWrappedKeysCannotBeSwapped(t *testing.T) {
	kek := newKEK(t)
	v := vault.New(kek, "instance", time.Now)
	a, b := newKey(t, v, "tenant-a", "k1"), newKey(t, v, "tenant-b", "k2")
	a.Wrapped, b.Wrapped = b.Wrapped, a.Wrapped
	if _, err := v.Seal(a, vault.Place{Tenant: "tenant-a"}, secret.New("x")); err == nil {
		t.Error("tenant a sealed with tenant b's key")
	}
	if _, err := vault.New(kek, "another instance", time.Now).Seal(newKey(t, v, "t", "k"), vault.Place{}, secret.New("x")); err == nil {
		t.Error("another installation used our key")
	}
}

func TestInstanceSecretTellsAWrongKey(t *testing.T) {
	kek := newKEK(t)
	wrapped, plain, err := vault.NewInstanceSecret(kek, "instance")
	if err != nil {
		t.Fatal(err)
	}
	got, err := vault.OpenInstanceSecret(kek, "instance", wrapped)
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("the secret did not come back: %v", err)
	}
	if _, err := vault.OpenInstanceSecret(newKEK(t), "instance", wrapped); !errors.Is(err, vault.ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "key")
	if _, err := vault.ReadFileKEK(path); !errors.Is(err, vault.ErrNoKeyFile) {
		t.Errorf("no file: %v", err)
	}
	made, err := vault.CreateFileKEK(path)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := vault.ReadFileKEK(path); err != nil || read.ID() != made.ID() {
		t.Errorf("read back as %v, %v", read.ID(), err)
	}
	if _, err := vault.CreateFileKEK(path); err == nil {
		t.Error("an existing key was replaced")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.ReadFileKEK(path); !errors.Is(err, vault.ErrKeyFileOpen) {
		t.Errorf("readable by the group: %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("postern-key-1 AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.ReadFileKEK(path); !errors.Is(err, vault.ErrKeyFileForm) {
		t.Errorf("a short key: %v", err)
	}
}
