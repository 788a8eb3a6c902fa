// Package rfc5322 reads and writes messages as they travel: RFC 5322 headers and MIME bodies.
//
// It owns the leniency towards broken mail: reading never fails, it gives what can be had. It relies on engine/email and on
// go-message for character sets and for writing. It does no I/O and knows no protocol; parts are numbered as IMAP numbers
// them (RFC 3501 section 6.4.5), so that a connector can fetch by the same numbers.
package rfc5322
