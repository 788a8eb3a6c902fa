// Package webhooks sends events to the company's own receivers.
//
// It owns destinations and their secrets: the ownership challenge before anything is sent, rotation with an overlap, the signature
// (x-nylas-signature: hex HMAC-SHA256 over the exact bytes that go out), delivery at least once with a stable event id, and the list of what was
// sent and answered. It relies on engine/outbox for events and jobs, on engine/sealed for secrets and payloads, on engine/dial for every
// connection and on engine/audit. It never keeps a secret or a payload outside the vault, never holds a database connection while a
// receiver is asked, and knows nothing of what happens inside a mailbox.
package webhooks
