// Package imapmail reads and sends mail over IMAP and SMTP for the connectors that need it.
//
// It owns connections: how they are opened (TLS or STARTTLS, never less), how they are pooled per account and closed at once,
// how much a server may send and how long it may take; the ids by which messages and folders are known outside; and the
// translation between IMAP's words and engine/email's. It relies on engine/dial for every connection, on go-imap, go-smtp and
// go-sasl for the protocols, and on rfc5322 for messages. It is a tool, not a connector: it knows no provider by name, stores
// nothing, and never keeps a credential longer than a login takes.
//
// Servers are not trusted: every command has a deadline and a byte allowance, no line may grow without end, and nothing that a
// server says reaches an error's public text.
package imapmail
