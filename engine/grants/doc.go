// Package grants is the life of a grant: consent, connect, reconnect, redeem, revoke, delete, and the receipt at its end.
//
// It owns what a connect flow is bound to, when a grant may be used, and what must happen when it is cut. It relies on engine/tokens for credentials,
// on the provider set for what each provider can do, and on audit and outbox to record and tell every change in its own transaction. It never
// shows a token to anybody but the program that redeems a code, and it never holds a database connection while a provider is asked.
package grants
