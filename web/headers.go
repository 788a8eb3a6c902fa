package web

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
)

const policyKey = "postern.policy"

// policy is the Content-Security-Policy of one answer (CSP Level 3).
type policy struct {
	nonce       string
	formActions []string
}

func (p policy) String() string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'nonce-" + p.nonce + "' 'strict-dynamic'",
		"style-src 'self' 'nonce-" + p.nonce + "'",
		"img-src 'self'",
		"connect-src 'self'",
		"form-action 'self'" + strings.Join(append([]string{""}, p.formActions...), " "),
		"base-uri 'none'",
		"object-src 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
	}, "; ")
}

// headers sets what every answer carries, errors, redirects and 404 included. Handlers may narrow, never widen, with one exception:
// AllowFormTarget. The nonce is new for each answer and reaches templates through templ.WithNonce.
func (s *Server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		var raw [16]byte
		_, _ = rand.Read(raw[:]) // never fails; it ends the process instead
		p := policy{nonce: base64.RawURLEncoding.EncodeToString(raw[:])}
		c.Set(policyKey, p)
		h := c.Response().Header()
		h.Set("Content-Security-Policy", p.String())
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store")
		if s.https() {
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		c.SetRequest(c.Request().WithContext(templ.WithNonce(c.Request().Context(), p.nonce)))
		return next(c)
	}
}

// AllowFormTarget lets forms of this page end at another origin. Browsers hold form-action against the redirects that follow a POST too,
// so the page whose button leads to a provider's consent must name the provider. origin is scheme and host.
func AllowFormTarget(c echo.Context, origins ...string) {
	p, _ := c.Get(policyKey).(policy)
	for _, o := range origins {
		// A space or semicolon would begin another source or directive.
		if o != "" && !strings.ContainsAny(o, " ;,'\"\r\n\t") && !slices.Contains(p.formActions, o) {
			p.formActions = append(slices.Clip(p.formActions), o)
		}
	}
	c.Set(policyKey, p)
	c.Response().Header().Set("Content-Security-Policy", p.String())
}
