// Package gmail reaches mailboxes at Google: Google's OAuth 2.0 endpoints, and mail through the Gmail API.
//
// It owns what is particular to Google: prompt and offline access, the revocation that ends every token of one person and app, the
// translation of queries to Gmail's search, labels as folders, and Google's many ways to say no. It relies on engine/dial for every
// connection, on engine/provider/oauth for the token endpoints and on engine/provider/rfc5322 for reading and writing mail. Between calls
// it keeps an account's access token in memory until it ends or the account is closed, and nothing else; it never stores or logs mail.
package gmail
