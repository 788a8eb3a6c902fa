// Package sealed keeps secrets in the database: it is the vault and the store, joined.
//
// It owns the registry of every field that is ever sealed. It relies on engine/vault to encrypt and on models/store to keep the ciphertext, both
// inside the caller's transaction. It never decides who may open what, and no door can import it.
package sealed
