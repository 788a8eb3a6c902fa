// Package watch watches mailboxes and tells webhooks what changes in them: messages and folders created, updated, deleted.
//
// It owns who watches: each mailbox one process, by a lease with a fence, taken over when that process dies; how far a mailbox was looked at, sealed; and the events
// that a look makes, written in the transaction that moves it on. It relies on connectors that are provider.Watcher for everything about a provider, on
// engine/tokens for credentials and on engine/outbox for events. A grant is watched only while it is valid and a sending webhook asks for such events. It keeps
// no mail, changes nothing in a mailbox, and never changes a grant because a provider is away.
package watch
