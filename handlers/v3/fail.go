package v3

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/web"
)

// The error types of the contract, section 10.1, where several stand for one case the first of the published list.
const (
	typeRequest   = "api.invalid_request_error"
	typePayload   = "api.invalid_request_payload"
	typeAuth      = "api.authentication_error"
	typeGrantDead = "grant.refresh_token_invalid"
	typeScopes    = "insufficient_scopes"
	typeNotFound  = "api.not_found_error"
	typeCallback  = "grant.callback_uri_not_allowed"
	typeLimit     = "api.rate_limit_error"
	typeProvider  = "api.provider_error"
	typeInternal  = "api.internal_error"
)

// wire is how one kind of trouble looks from outside.
type wire struct {
	status  int
	kind    string
	message string // for faults that say nothing themselves
}

var byKind = map[fault.Kind]wire{
	fault.Internal:    {http.StatusInternalServerError, typeInternal, "This is our fault, not yours. Nothing is known to have changed. Try again; if it stays, tell the operator the request id."},
	fault.Invalid:     {http.StatusBadRequest, typeRequest, "The request cannot be taken as it is."},
	fault.Unproven:    {http.StatusUnauthorized, typeAuth, "The key or token is missing, unknown, expired, revoked, or not good from this address. Send a valid one as Authorization: Bearer <key>."},
	fault.Denied:      {http.StatusForbidden, typeScopes, "This key or token lacks the permission for that."},
	fault.NotFound:    {http.StatusNotFound, typeNotFound, "There is nothing here by that id or address."},
	fault.Conflict:    {http.StatusConflict, "api.conflict_error", "That cannot be done in the present state."},
	fault.Gone:        {http.StatusGone, "api.not_found_error", "This was there and is used up."},
	fault.Limited:     {http.StatusTooManyRequests, typeLimit, "Too many requests. Wait for the time that Retry-After says."},
	fault.Upstream:    {http.StatusGatewayTimeout, typeProvider, "The mail provider gave no usable answer."},
	fault.Unavailable: {http.StatusServiceUnavailable, typeInternal, "A part of this service cannot be reached right now. Try again in a moment."},
}

// byCode is where the contract has a word of its own for a fault, or another status than its kind has.
var byCode = map[string]wire{
	"payload_malformed":  {http.StatusBadRequest, typePayload, ""},
	"body_too_large":     {http.StatusRequestEntityTooLarge, typeRequest, "The body is larger than this address takes."},
	"method_not_allowed": {http.StatusMethodNotAllowed, typeRequest, "This address does not take that method. The Allow header names those it takes."},

	"message_too_large": {http.StatusRequestEntityTooLarge, typeRequest, ""},

	"idempotency_key_invalid": {http.StatusBadRequest, "api.invalid_idempotency_key", ""},
	"idempotency_conflict":    {http.StatusConflict, "api.invalid_idempotent_request", ""},
	"idempotency_running":     {http.StatusConflict, "api.concurrent_idempotent_request", ""},

	"grant_revoked":               {http.StatusUnauthorized, typeGrantDead, ""},
	"grant_not_usable":            {http.StatusUnauthorized, typeGrantDead, ""},
	"grant_invalid":               {http.StatusUnauthorized, typeGrantDead, ""},
	"invalid_grant":               {http.StatusUnauthorized, typeGrantDead, ""},
	"credential_refused":          {http.StatusUnauthorized, typeGrantDead, ""},
	"login_refused":               {http.StatusBadRequest, "grant.invalid_authentication", ""},
	"redirect_uri_not_registered": {http.StatusBadRequest, typeCallback, ""},

	// A second connector, callback URI or folder of one name: the contract knows 400 there, and nothing else.
	"connector_exists":    {http.StatusBadRequest, typeRequest, ""},
	"callback_uri_exists": {http.StatusBadRequest, typeRequest, ""},
	"folder_exists":       {http.StatusBadRequest, typeRequest, ""},
	"folder_not_empty":    {http.StatusBadRequest, typeRequest, ""},

	// Webhooks speak in numbers (contract, section 6.1).
	"webhook_unverified":   {http.StatusBadRequest, "70005", ""},
	"webhook_test_failed":  {http.StatusBadRequest, "70005", ""},
	"application_required": {http.StatusBadRequest, "70001", ""},
	"webhook_not_found":    {http.StatusBadRequest, "70000", ""},
}

// retryUnnamed is how many seconds a caller is told to wait where nobody said for how long.
const retryUnnamed = "5"

func wireOf(p web.Problem) wire {
	w, named := byCode[p.Code]
	if !named {
		w = byKind[p.Kind]
		if p.Kind == fault.Internal && p.Status >= 400 && p.Status < 500 || p.Kind == fault.Invalid && p.Status != 0 {
			w.status = p.Status // of the plumbing: 415 and the like
		}
	}
	if p.Public != "" && p.Code != errAbsent.Code { // one sentence for all that is absent: what was looked at must not show
		w.message = p.Public
	}
	if w.message == "" {
		w.message = byKind[p.Kind].message
	}
	return w
}

// fail answers a request that failed, in the shape of the API, or of OAuth for the OAuth endpoints.
func (d *Door) fail(c echo.Context, p web.Problem) error {
	if oauthPath(c.Request().URL.Path) {
		return d.failOAuth(c, p)
	}
	w := wireOf(p)
	if h := c.Response().Header(); w.status == http.StatusTooManyRequests && h.Get("Retry-After") == "" {
		h.Set("Retry-After", retryUnnamed) // the provider named no time, and clients wait for as long as this says
	}
	if w.status == http.StatusUnauthorized {
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="postern"`)
	}
	if strings.HasPrefix(c.Request().URL.Path, "/v3/connect/auth") && strings.Contains(c.Request().Header.Get("Accept"), "text/html") {
		p.Public = w.message
		return web.FailPlain(c, p) // a person stands before it
	}
	inner := map[string]any{"type": w.kind, "message": w.message}
	if w.kind == typeProvider || w.kind == typeGrantDead {
		inner["provider_error"] = map[string]any{"code": p.Code, "message": w.message}
	}
	return reply(c, w.status, map[string]any{"request_id": p.RequestID, "error": inner})
}

// oauthPath: these answer in the words of RFC 6749, whatever goes wrong.
func oauthPath(path string) bool {
	switch strings.TrimSuffix(path, "/") {
	case "/v3/connect/token", "/v3/connect/revoke", "/v3/connect/tokeninfo":
		return true
	default:
		return false
	}
}

// oauthWords are the codes that are words of RFC 6749 section 5.2 or RFC 6750 section 3.1 already.
var oauthWords = map[string]bool{"invalid_request": true, "invalid_client": true, "invalid_grant": true, "invalid_token": true, "invalid_scope": true,
	"unauthorized_client": true, "unsupported_grant_type": true, "access_denied": true, "server_error": true, "temporarily_unavailable": true}

var oauthByKind = map[fault.Kind]string{
	fault.Internal: "server_error", fault.Invalid: "invalid_request", fault.Unproven: "invalid_client", fault.Denied: "unauthorized_client",
	fault.NotFound: "invalid_request", fault.Conflict: "invalid_grant", fault.Gone: "invalid_grant", fault.Limited: "temporarily_unavailable",
	fault.Upstream: "temporarily_unavailable", fault.Unavailable: "temporarily_unavailable",
}

// failOAuth: what the caller can mend is 400 on these endpoints (contract, section 10.2); a missing credential is 401, as everywhere.
func (d *Door) failOAuth(c echo.Context, p web.Problem) error {
	word := p.Code
	if !oauthWords[word] {
		word = oauthByKind[p.Kind]
	}
	w, status := wireOf(p), http.StatusBadRequest
	switch {
	case p.Code == errNoCaller.Code:
		status = http.StatusUnauthorized
	case p.Code == errOrigin.Code:
		status = http.StatusForbidden
	case p.Kind == fault.Limited, p.Kind == fault.Internal, p.Status == http.StatusRequestEntityTooLarge, p.Status == http.StatusMethodNotAllowed:
		status = w.status
	case p.Kind == fault.Upstream, p.Kind == fault.Unavailable:
		status = http.StatusServiceUnavailable
	}
	return reply(c, status, map[string]any{"error": word, "error_description": w.message, "error_code": status,
		"error_uri": "https://datatracker.ietf.org/doc/html/rfc6749#section-5.2", "request_id": p.RequestID})
}
