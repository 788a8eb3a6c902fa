package webhooks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
)

const (
	userAgent    = "Postern"
	keptResponse = 4 << 10 // of a receiver's answer, for the page
)

// answer is what came of one attempt.
type answer struct {
	started     time.Time
	latency     time.Duration
	generations models.Ints // in the order in which they signed
	accepted    int         // the generation that the receiver took; 0: none
	status      int         // HTTP, of the last answer; 0: there was none
	retryAfter  time.Duration
	response    string
	problem     string
	request     models.Settings
}

func (a answer) ok() bool { return a.status >= 200 && a.status <= 299 }

// send posts the body. Where the receiver says 401 or 403 to one signature and another secret is in force too, that one is tried at once.
func (s *Service) send(ctx context.Context, p *parcel, body wire) answer {
	a := answer{started: s.now(), request: s.headers(body)}
	standard, err := s.standardHeaders(p, body.sent, a.started)
	if err != nil {
		a.problem = "The event could not be signed by Standard Webhooks: its id does not fit."
		return a
	}
	for _, name := range []string{StandardID, StandardTimestamp} {
		if value := standard.Get(name); value != "" {
			a.request[name] = value
		}
	}
	for i, k := range p.keys {
		a.generations = append(a.generations, k.row.Generation)
		s.post(ctx, p.hook.URL, &a, body, spell(sign(k.value, body.sent)), standard)
		// Standard Webhooks' header carries every secret's signature at once, so that a first acceptance does not say which one it was. A second
		// one does: all that is new in that call is the other v3 signature.
		if a.ok() && (i > 0 || standard == nil || len(p.keys) == 1) {
			a.accepted = k.row.Generation
		}
		if a.status != http.StatusUnauthorized && a.status != http.StatusForbidden {
			break
		}
	}
	a.latency = s.now().Sub(a.started)
	return a
}

// headers are those of the request, for the page: without the signature, with the keyed digest by which the verification log knows the body.
func (s *Service) headers(body wire) models.Settings {
	out := models.Settings{"Content-Type": "application/json", "User-Agent": userAgent, "Content-Length": strconv.Itoa(len(body.sent)),
		"body_digest": spell(models.BodyDigest(s.digestKey, body.sent))}
	if body.gzip {
		out["Content-Encoding"] = "gzip"
	}
	return out
}

func (s *Service) post(ctx context.Context, url string, a *answer, body wire, signature string, more http.Header) {
	a.status, a.response, a.problem, a.retryAfter = 0, "", "", 0
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body.sent))
	if err != nil {
		a.problem = "The address is not a web address."
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set(SignatureHeader, signature)
	for name, values := range more {
		req.Header[name] = values
	}
	if body.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		a.problem = problem(dial.WithoutURL(err))
		return
	}
	defer resp.Body.Close() //nolint:errcheck // read or given up
	a.status = resp.StatusCode
	a.retryAfter = s.retryAfter(resp.Header.Get("Retry-After"))
	// The status is the answer. What follows is for people: capped, and a receiver that trickles it on is not waited for beyond the timeout.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, dial.BodyLimit))
	a.response = legible(text, body, append(strings.Fields(more.Get(StandardSignature)), signature)...)
	if a.status >= 300 && a.status <= 399 {
		a.problem = "The receiver redirects. Postern follows no redirect; give it the final address."
	}
}

// problem says in words why there was no answer. It holds nothing of the address.
func problem(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "No answer within 15 seconds."
	case errors.Is(err, dial.ErrRefused):
		return "The address is not one that Postern may connect to."
	}
	if f, ok := fault.As(err); ok && f.Code == dial.ErrFailed.Code {
		return "No connection: the name did not resolve, the port is closed, the certificate is not good, or the line broke."
	}
	return "No answer."
}

// legible makes an answer fit to keep: cut, valid text without NUL, the signatures masked. An answer that repeats the event is left out: what is
// sealed on our side must not come back in the clear.
func legible(text []byte, body wire, signatures ...string) string {
	if echoes(text, body.object) {
		return "[left out: the answer repeats the event]"
	}
	text = text[:min(len(text), keptResponse)]
	out := strings.ReplaceAll(strings.ToValidUTF8(string(text), "\uFFFD"), "\x00", "\uFFFD")
	for _, signature := range signatures {
		_, bare, versioned := strings.Cut(signature, ",") // v1,... may come back without its version
		if !versioned {
			bare = signature
		}
		out = strings.ReplaceAll(out, bare, "[signature]")
	}
	return out
}

const window = 24

// echoes says whether text holds 24 bytes or more in a row of the object, which no answer has by chance. Windows of the object at every 24th
// byte are looked up from every byte of the text, so a repeated stretch of 47 bytes is always found.
func echoes(text, object []byte) bool {
	if len(object) < window || len(text) < window {
		return len(object) > 2 && bytes.Contains(text, object)
	}
	seen := make(map[string]struct{}, len(object)/window)
	for i := 0; i+window <= len(object); i += window {
		seen[string(object[i:i+window])] = struct{}{}
	}
	for i := 0; i+window <= len(text); i++ {
		if _, found := seen[string(text[i:i+window])]; found {
			return true
		}
	}
	return false
}

// retryAfter reads Retry-After (RFC 9110 section 10.2.3): seconds or a date. It is bounded by a day.
func (s *Service) retryAfter(text string) time.Duration {
	var d time.Duration
	if n, err := strconv.Atoi(text); err == nil {
		d = time.Duration(min(max(n, 0), 86400)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(s.now())
	}
	return min(max(d, 0), 24*time.Hour)
}
