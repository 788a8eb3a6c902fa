// Package mailbox reads, changes and sends mail through the providers. Nothing of a message is kept.
//
// It owns the check that a grant may do what is asked before a provider is. It relies on engine/tokens for a live credential and on the provider set for the
// mailbox. It never stores or logs mail.
package mailbox
