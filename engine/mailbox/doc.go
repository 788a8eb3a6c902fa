// Package mailbox reads, changes, cleans and sends mail through the providers, now or later. Nothing of a message is kept, but for one that is to leave later:
// that is sealed until it has left, is called back, or its grant is cut.
//
// It owns the check that a grant may do what is asked before a provider is, and the promise that what is scheduled leaves at most once. It relies on
// engine/tokens for a live credential, on the provider set for the mailbox, and on engine/sealed and engine/outbox for what waits. It never logs mail.
package mailbox
