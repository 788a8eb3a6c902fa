package vault

import (
	"crypto/rand"
	"fmt"
)

// canary is what every installation's canary decrypts to.
const canary = "postern canary 1"

// InstanceSecret is the root of what is derived rather than stored: passwords of database roles, the scope key, digest keys.
type InstanceSecret struct {
	KEKID   string
	Wrapped []byte
	Canary  []byte
}

// NewInstanceSecret makes an instance secret, wrapped, and the canary that later tells a wrong key from a missing one.
func NewInstanceSecret(kek KEK, instance string) (InstanceSecret, []byte, error) {
	plain := make([]byte, 32)
	_, _ = rand.Read(plain) // never fails; it ends the process instead
	wrapped, bird, err := wrapInstance(kek, instance, plain)
	if err != nil {
		return InstanceSecret{}, nil, err
	}
	return InstanceSecret{KEKID: kek.ID(), Wrapped: wrapped, Canary: bird}, plain, nil
}

func wrapInstance(kek KEK, instance string, plain []byte) (wrapped, bird []byte, err error) {
	if wrapped, err = kek.Encrypt(plain, associated("v1 instance secret", instance)); err != nil {
		return nil, nil, fmt.Errorf("wrap the instance secret: %w", err)
	}
	if bird, err = kek.Encrypt([]byte(canary), associated("v1 canary", instance)); err != nil {
		return nil, nil, fmt.Errorf("seal the canary: %w", err)
	}
	return wrapped, bird, nil
}

// OpenInstanceSecret checks the canary and unwraps the secret. kek may be a Ring: the key that the secret names opens it. ErrWrongKey means that
// nothing may be written with this key.
func OpenInstanceSecret(kek KEK, instance string, s InstanceSecret) ([]byte, error) {
	kek, err := source(kek, s.KEKID)
	if err != nil {
		return nil, err
	}
	bird, err := kek.Decrypt(s.Canary, associated("v1 canary", instance))
	if err != nil || string(bird) != canary {
		return nil, ErrWrongKey.Because(fmt.Errorf("sealed under key %s, given key %s", s.KEKID, kek.ID()))
	}
	plain, err := kek.Decrypt(s.Wrapped, associated("v1 instance secret", instance))
	if err != nil {
		return nil, ErrSealed.Because(fmt.Errorf("the instance secret"))
	}
	return plain, nil
}
