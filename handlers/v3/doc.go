// Package v3 is the door for programs: the v3 email API, kept to the wire contract that clients in the field were written against.
//
// It owns the wire: paths, parameters, envelopes, error shapes, rate limits, and the types in which rows are shown, so that a renamed
// column can never change the API. It relies on web for the plumbing and on the deeds for everything that is decided or stored.
// It never answers an empty body, never tells a foreign id from one that does not exist, and never takes a credential from a query, a
// cookie or Basic authentication.
package v3
