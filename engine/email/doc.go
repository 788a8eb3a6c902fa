// Package email holds the words of mail: message, folder, thread, draft, attachment, query, page.
//
// It owns their shape, what a filter means, and which values of them are acceptable. It relies on engine/fault and the
// standard library. It does no I/O, knows no provider and no HTTP: what can be done with these words for one account is
// in engine/provider, and how they look on the wire is the business of the doors.
package email
