// Package vault encrypts and decrypts: envelope encryption with one data key per tenant under one key-encryption key.
//
// It owns the choice of AES-256-GCM (through Tink), the associated data that binds a ciphertext to its place, and the sources of the
// key-encryption key. It relies on engine/fault and engine/secret. It never stores anything: wrapped keys and ciphertexts are handed in and
// out. There is no cleartext fallback; what does not open is an error.
package vault
