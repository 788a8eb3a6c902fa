// Package ledger keeps the access ledger: each call to a mailbox through the API, by which key or token, when, from where, with what outcome. It never sees what was
// read or written.
//
// Entries wait in memory for at most a quarter of a second and are written together, so that a call does not wait for a commit of its own. A process that is killed loses
// what waits, a quarter of a second's worth; one that stops in order writes it. While the database does not take them, entries wait, up to a bound; beyond it callers are
// held up rather than entries dropped, and what is dropped in the end is counted and logged as an error.
//
// It relies on the doors to tell it: handlers/v3 notes every route beneath a grant. It decides nothing.
package ledger
