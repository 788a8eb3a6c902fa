package nylas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	answerMost = 64 << 20 // of one JSON answer; a page of whole messages is heavy
	textMost   = 100      // of an error's type
)

var (
	errUpstream  = fault.New(fault.Upstream, "provider_unavailable", "Nylas did not answer as it should. Try again in a few minutes.")
	errThrottled = fault.New(fault.Limited, "provider_throttled", "Nylas asks for fewer requests. Try again later.")
	errKey       = fault.New(fault.Upstream, provider.ErrAppRefused.Code, "Nylas does not accept the API key of this connector. It was replaced, or belongs to the other region. An administrator has to check the connector.")
	errRefused   = fault.New(fault.Invalid, "provider_refused", "Nylas refused this request.")
	errTooLarge  = fault.New(fault.Invalid, "message_too_large", "The message is larger than Nylas takes.").At("attachments")
)

// call is one call of the connector: a grant there, a key, and a context that Close ends.
type call struct {
	c       *Connector
	ctx     context.Context
	session *session // nil while there is no grant of ours yet
	base    string
	grant   string
	key     secret.Text
	before  secret.Text // the key before it, while a change of keys lasts; may be empty
}

// errSwitched says that the key before the current one is the good one: what was asked has to be asked again. It never leaves the package.
var errSwitched = errors.New("asked with the other key from here on")

// request is one HTTP request to Nylas. path is below the address of the API, its ids escaped.
type request struct {
	method, path string
	query        url.Values
	kind         string // Content-Type of body
	body         []byte
	stream       func() io.ReadCloser // instead of body
	missing      *fault.Error         // what a 404 means; nil: ask whether the grant is there
}

// path is a resource of the call's grant; the parts are escaped here.
func (k *call) path(parts ...string) string {
	p := "/v3/grants/" + k.grant
	for _, part := range parts {
		p += "/" + url.PathEscape(part)
	}
	return p
}

// envelope is how Nylas wraps an answer.
type envelope[T any] struct {
	Data T      `json:"data"`
	Next string `json:"next_cursor"`
}

// ask sends a request and reads its answer into v, which may be nil.
func (k *call) ask(r request, v any) error {
	res, err := k.do(k.c.http, r)
	if err != nil {
		return err
	}
	body, err := dial.ReadAll(res.Body, answerMost)
	_ = res.Body.Close()
	switch {
	case k.ctx.Err() != nil:
		return errUpstream.Because(k.ctx.Err())
	case errors.Is(err, dial.ErrBodyTooLarge):
		return provider.ErrTooLarge.Because(err)
	case err != nil:
		return errUpstream.Because(err)
	case v == nil:
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return errUpstream.Because(errors.New("the answer is not the JSON that was asked for"))
	}
	return nil
}

// put sends JSON.
func (k *call) put(method, path string, in, out any, missing *fault.Error) error {
	body, err := json.Marshal(in)
	if err != nil {
		return errUpstream.Because(errors.New("the request cannot be written"))
	}
	return k.ask(request{method: method, path: path, kind: "application/json", body: body, missing: missing}, out)
}

// do sends a request and answers a response of the 2xx kind, its body unread; all else is a fault.
func (k *call) do(client *http.Client, r request) (*http.Response, error) {
	res, err := k.once(client, r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 200 && res.StatusCode <= 299 {
		return res, nil
	}
	body, _ := dial.Body(res)
	return nil, k.refusal(r, res, body)
}

func (k *call) once(client *http.Client, r request) (*http.Response, error) {
	address := k.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	q, err := http.NewRequestWithContext(k.ctx, r.method, address, bytes.NewReader(r.body))
	if err != nil {
		return nil, errUpstream.Because(dial.WithoutURL(err))
	}
	switch {
	case r.stream != nil:
		q.Body, q.GetBody, q.ContentLength = r.stream(), nil, -1
	case r.body == nil:
		q.Body, q.GetBody, q.ContentLength = nil, nil, 0
	}
	if !k.key.Empty() {
		q.Header.Set("Authorization", "Bearer "+k.key.Reveal())
	}
	q.Header.Set("Accept", "application/json")
	if r.kind != "" {
		q.Header.Set("Content-Type", r.kind)
	}
	res, err := client.Do(q)
	if err != nil {
		if k.ctx.Err() != nil {
			return nil, errUpstream.Because(k.ctx.Err())
		}
		return nil, errUpstream.Because(dial.WithoutURL(err))
	}
	return res, nil
}

// problem is the body of an error. Its message is never used: it may repeat what was sent.
type problem struct {
	Error json.RawMessage `json:"error"` // {"type": ...}; at connect/token and connect/revoke a word
}

// wordOf is the short type of an error answer.
func wordOf(body []byte) string {
	var p problem
	if json.Unmarshal(body, &p) != nil {
		return ""
	}
	var s string
	if json.Unmarshal(p.Error, &s) != nil {
		var e struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(p.Error, &e)
		s = e.Type
	}
	if len(s) > textMost {
		return ""
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.') {
			return ""
		}
	}
	return s
}

// refusal turns an error answer into what the caller may know. The cause holds the status and Nylas' short type, nothing else.
func (k *call) refusal(r request, res *http.Response, body []byte) error {
	word := wordOf(body)
	cause := errors.New(strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + word))
	switch s := res.StatusCode; {
	case s == http.StatusUnauthorized, s == http.StatusBadRequest && strings.HasPrefix(word, "token."):
		return k.doubt(cause)
	case s == http.StatusForbidden:
		return provider.ErrScopeMissing.Because(cause)
	case s == http.StatusNotFound && (r.missing == nil || strings.HasPrefix(word, "grant.")):
		return k.doubt(cause)
	case s == http.StatusNotFound:
		return r.missing.Because(cause)
	case s == http.StatusRequestEntityTooLarge:
		return errTooLarge.Because(cause)
	case s == http.StatusTooManyRequests:
		return errThrottled.RetryAfter(k.c.after(res)).Because(cause)
	case s >= 500 || s < 400:
		return errUpstream.RetryAfter(k.c.after(res)).Because(cause)
	}
	return errRefused.Because(cause)
}

// doubt finds out what a 401, or a 404 of something that is always there, means. Nylas uses 401 for a key that it does not take and for a grant that has expired
// alike (contract, section 10.1): the first is the connector's trouble and must not end anybody's connection.
func (k *call) doubt(cause error) error {
	if k.session != nil {
		k.session.forget()
	}
	pending := !k.before.Empty()
	switch _, err := k.find(); {
	case pending && k.before.Empty() && (err == nil || errors.Is(err, provider.ErrInvalidGrant)):
		return errSwitched
	case errors.Is(err, provider.ErrInvalidGrant):
		return provider.ErrCredentialRefused.Because(cause)
	case err != nil:
		return err
	}
	return errUpstream.Because(cause)
}

// wireGrant is a grant as Nylas tells it.
type wireGrant struct {
	ID       string   `json:"id"`
	Provider string   `json:"provider"`
	Scope    []string `json:"scope"`
	Status   string   `json:"grant_status"`
	Email    string   `json:"email"`
	Name     string   `json:"name"`
	Subject  string   `json:"provider_user_id"`
}

// find reads the call's grant. A grant that is gone or has expired answers ErrInvalidGrant with the reason; a refused key answers errKey, when the one before it is refused
// as well.
func (k *call) find() (wireGrant, error) {
	g, err := k.look()
	if !errors.Is(err, errKey) || k.before.Empty() {
		return g, err
	}
	k.key, k.before = k.before, secret.Text{}
	if k.session != nil {
		k.session.use(k.key, k.c.now().Add(keyLife))
	}
	return k.look()
}

func (k *call) look() (wireGrant, error) {
	var answer envelope[wireGrant]
	res, err := k.once(k.c.tokenHTTP, request{method: http.MethodGet, path: "/v3/grants/" + k.grant})
	if err != nil {
		return wireGrant{}, err
	}
	body, err := dial.Body(res)
	word := wordOf(body)
	cause := errors.New(strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + word))
	switch s := res.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden || s == http.StatusBadRequest && strings.HasPrefix(word, "token."):
		return wireGrant{}, errKey.Because(cause)
	case s == http.StatusNotFound:
		return wireGrant{}, provider.InvalidGrant("Nylas has no such grant any more")
	case s == http.StatusTooManyRequests:
		return wireGrant{}, errThrottled.RetryAfter(k.c.after(res)).Because(cause)
	case s != http.StatusOK:
		return wireGrant{}, errUpstream.RetryAfter(k.c.after(res)).Because(cause)
	case err != nil:
		return wireGrant{}, errUpstream.Because(err)
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Data.ID != k.grant {
		return wireGrant{}, errUpstream.Because(errors.New("the answer is not the grant that was asked for"))
	}
	if answer.Data.Status != "" && answer.Data.Status != "valid" {
		return answer.Data, provider.InvalidGrant("Nylas says that the grant is " + answer.Data.Status + " and must be authenticated again")
	}
	return answer.Data, nil
}

// after reads Retry-After, in seconds or as a date (RFC 9110 section 10.2.3), up to an hour.
func (c *Connector) after(res *http.Response) time.Duration {
	h := res.Header.Get("Retry-After")
	d := time.Duration(0)
	if n, err := strconv.Atoi(h); err == nil && n > 0 && n < 86400 {
		d = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(h); err == nil {
		d = t.Sub(c.now())
	}
	return max(0, min(d, time.Hour))
}

// drained closes a body together with its call.
type drained struct {
	io.Reader
	body    io.Closer
	release func()
}

func (d *drained) Close() error {
	err := d.body.Close()
	d.release()
	return err
}
