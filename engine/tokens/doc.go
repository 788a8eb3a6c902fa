// Package tokens keeps the credentials of grants: the provider's tokens, and the passwords of mailboxes that have none.
//
// It owns how a credential is saved, kept fresh, detached from a revoked grant and destroyed. It relies on engine/sealed for storage and on the provider
// set to refresh. Nothing it gives out leaves the engine: no door can import it. It never holds a database connection while a
// provider is asked.
package tokens
