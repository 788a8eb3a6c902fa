// Package models holds the rows of Postern's tables, their ids, and the rules that need nothing but the row itself.
//
// It owns what a status, a role or a permission means. It relies on the standard library alone. It never reads or writes
// anything, and it never holds a secret: ciphertext has a table of its own, whose row type stays inside models/store.
package models
