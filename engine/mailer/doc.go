// Package mailer sends Postern's own mail: warnings to those who look after a webhook.
//
// It owns the one connection to the mail server that the operator configured, and the shape of such a mail: plain text, marked as written by a program. It
// relies on engine/dial for the way out. It keeps nothing, tries once, and never sends a customer's mail: that is the providers' business.
package mailer
