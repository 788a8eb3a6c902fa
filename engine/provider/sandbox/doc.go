// Package sandbox is a mail provider of its own, for trying things out without an account anywhere: a real OAuth 2.0 authorization
// server, a real IMAP and SMTP server, and a handful of mailboxes with believable mail, all on loopback. And it is the connector to it.
//
// It owns the invented people and their mail, the consent page, codes and tokens, and the check of every mail command against them. It
// relies on go-imap's and go-smtp's servers, and as a connector on oauth and imapmail. It is for demo and tests: serve never
// registers it. It sends nothing to anywhere: mail goes from one sandbox mailbox to another.
package sandbox
