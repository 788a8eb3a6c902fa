// Package imap connects mailboxes at any IMAP server by a password or an app password.
//
// It owns finding the servers that belong to an address (well-known services, SRV records of RFC 6186, the usual names), and the live
// check before a connection is saved. It relies on imapmail for everything that IMAP and SMTP do. It never speaks without TLS, save
// to addresses that the operator opened, and keeps no password.
package imap
