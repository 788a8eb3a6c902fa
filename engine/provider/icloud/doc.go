// Package icloud is the connector for iCloud Mail: IMAP and SMTP at Apple's servers, with an app-specific password.
//
// It owns where those servers are, which user names Apple takes, and what pins an iCloud mailbox. It relies on
// engine/provider/imapmail for the mail itself and on the egress guard handed in. Apple offers programs no consent page and no call to
// withdraw a password, so it is no OAuth and no Revoker. It keeps nothing but pooled connections.
package icloud
