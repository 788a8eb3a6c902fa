// Package access says who somebody is: members with their roles, sessions, passkeys and invites, and programs with their API keys and
// access tokens.
//
// It owns sign-in and sign-out, how long a session lasts, what an invite is good for, and how a bearer becomes an actor. It relies on the
// store for rows, on the audit keeper for their record, and on go-webauthn for the ceremonies. It keeps no password, never keeps an id,
// token or key but as a hash, and never answers "not you" when it could not look: a database out of reach is an error of its own.
package access
