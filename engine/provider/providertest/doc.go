// Package providertest is what every connector must pass, and the servers it is tested against.
//
// It owns the conformance suite (Run) and the start of a private Dovecot (Dovecot). It relies on go-imap's plain client to put mail into
// mailboxes, so that the suite's own hands are not the code under test. It is imported by tests only.
package providertest
