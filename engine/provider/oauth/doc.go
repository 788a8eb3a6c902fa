// Package oauth speaks to providers' OAuth 2.0 endpoints for the connectors that need it (RFC 6749, 7636, 7009).
//
// It owns the wire of those four requests and the reading of their answers: which ones mean that a grant is over, and which may
// pass. It relies on engine/dial's HTTP client, handed in. Its errors never hold a token, a code, a URL's query or a raw body; that
// is why golang.org/x/oauth2, whose errors do, is not used. It keeps nothing.
package oauth
