// Package nylas reaches mailboxes that are connected at Nylas' cloud: its v3 API in the US or the EU.
//
// It owns Nylas' hosted authentication, the requests to /v3/grants/{id}/..., and the translation of Nylas' objects into ours. The credential of a mailbox is the id
// of a grant there; what opens it is the application's API key, which is read from the connector for each session and sealed nowhere else. It relies on
// engine/dial for every connection. It keeps no mail, and no key longer than keyLife.
package nylas
