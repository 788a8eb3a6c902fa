package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	answerMost = 32 << 20 // of one JSON answer
	rawMost    = 64 << 20 // of one message as it travelled
	// Ids that survive a move (Graph, "Obtain immutable identifiers for Outlook resources"), and bodies in the one form that loses nothing.
	preferences = `IdType="ImmutableId", outlook.body-content-type="html"`
)

var (
	errUpstream  = fault.New(fault.Upstream, "provider_unavailable", "Microsoft did not answer as it should. Try again in a few minutes.")
	errThrottled = fault.New(fault.Limited, "provider_throttled", "Microsoft asks for fewer requests to this mailbox. Try again later.")
	errNoMailbox = fault.New(fault.Upstream, "mailbox_unavailable", "Microsoft has no mailbox for this account that it can open: there is none, it is switched off, or it lives on the organisation's own server.")
	errFull      = fault.New(fault.Upstream, "mailbox_full", "This mailbox is full. Its owner has to make room first.")
	errRefused   = fault.New(fault.Invalid, "provider_refused", "Microsoft refused this request.")
	errResync    = fault.New(fault.Gone, "sync_state_gone", "Microsoft does not remember any more how far this mailbox was read.")
	errQuery     = fault.New(fault.Invalid, "query_refused", "Microsoft does not understand this search.").At("search_query_native")
)

// call is one call of the connector: an account, its session, and a context that Close ends.
type call struct {
	c       *Connector
	ctx     context.Context
	session *session
	account provider.Account
	fixed   secret.Text // instead of a session, while there is no grant yet
	streams bool        // the answer is read by the caller, as slowly as they like
}

// params are query parameters in pairs, name and value, in order. Names keep their dollar sign.
type params []string

func (p params) encode() string {
	var out strings.Builder
	for i := 0; i+1 < len(p); i += 2 {
		if p[i+1] == "" {
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('&')
		}
		// A blank as %20: not every reader of OData takes a plus for one.
		out.WriteString(p[i] + "=" + strings.ReplaceAll(url.QueryEscape(p[i+1]), "+", "%20"))
	}
	return out.String()
}

// request is one HTTP request to Graph. path is below the configured address, its ids escaped.
type request struct {
	method, path string
	query        params
	rawQuery     string // instead of query: the rest of a link to the next page
	kind         string // Content-Type of body
	body         []byte
	pageSize     int          // the most that a page of a delta query may hold; 0 = as Microsoft likes
	missing      *fault.Error // what a 404 means; nil = the message is not there
	most         int64        // of the answer; 0 = answerMost
}

// json sends a request and reads its answer into v, which may be nil.
func (k *call) json(r request, v any) error {
	body, err := k.send(r)
	if err != nil || v == nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return errUpstream.Because(errors.New("the answer is not the JSON that was asked for"))
	}
	return nil
}

func (k *call) post(path string, in, out any, missing *fault.Error) error {
	body, err := json.Marshal(in)
	if err != nil {
		return errUpstream.Because(errors.New("the request cannot be written"))
	}
	return k.json(request{method: http.MethodPost, path: path, kind: "application/json", body: body, missing: missing}, out)
}

// send sends a request; a token that has died early is asked for anew, once.
func (k *call) send(r request) ([]byte, error) {
	if k.c.graphErr != nil {
		return nil, k.c.graphErr
	}
	token, err := k.token(secret.Text{})
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		res, body, err := k.exchange(r, token)
		if res == nil {
			return nil, err
		}
		if res.StatusCode == http.StatusUnauthorized && !again {
			cause := k.c.refusal(r, res, body)
			if token, err = k.token(token); err != nil {
				if errors.Is(err, provider.ErrCredentialRefused) {
					return nil, cause
				}
				return nil, err
			}
			continue
		}
		switch {
		case err != nil && k.ctx.Err() != nil:
			return nil, errUpstream.Because(k.ctx.Err())
		case err != nil && !errors.Is(err, dial.ErrBodyTooLarge):
			return nil, errUpstream.Because(err)
		case res.StatusCode < 200 || res.StatusCode > 299:
			return nil, k.c.refusal(r, res, body)
		case err != nil:
			return nil, provider.ErrTooLarge.Because(err)
		}
		return body, nil
	}
}

// exchange is one request and its answer, in one of the mailbox's slots. An error beside an answer is that of reading its body.
func (k *call) exchange(r request, token secret.Text) (*http.Response, []byte, error) {
	if k.session != nil {
		select {
		case k.session.slots <- struct{}{}:
			defer func() { <-k.session.slots }()
		case <-k.ctx.Done():
			return nil, nil, errUpstream.Because(k.ctx.Err())
		}
	}
	res, err := k.once(r, token)
	if err != nil {
		return nil, nil, err
	}
	most := r.most
	if most == 0 {
		most = answerMost
	}
	body, err := dial.ReadAll(res.Body, most)
	_ = res.Body.Close()
	return res, body, err
}

func (k *call) once(r request, token secret.Text) (*http.Response, error) {
	u := *k.c.graph
	query := r.query.encode()
	if r.rawQuery != "" {
		query = r.rawQuery
	}
	address := u.String() + r.path
	if query != "" {
		address += "?" + query
	}
	q, err := http.NewRequestWithContext(k.ctx, r.method, address, bytes.NewReader(r.body))
	if err != nil {
		return nil, errUpstream.Because(dial.WithoutURL(err))
	}
	q.Header.Set("Authorization", "Bearer "+token.Reveal())
	q.Header.Set("Accept", "application/json")
	q.Header.Set("Prefer", preferences)
	if r.pageSize > 0 {
		q.Header.Add("Prefer", "odata.maxpagesize="+strconv.Itoa(r.pageSize))
	}
	if r.kind != "" {
		q.Header.Set("Content-Type", r.kind)
	}
	client := k.c.http
	if k.streams {
		client = k.c.slow
	}
	res, err := client.Do(q)
	if err != nil {
		return nil, errUpstream.Because(dial.WithoutURL(err))
	}
	return res, nil
}

// problem is the body of an error ("Microsoft Graph error responses"). Its message is never used: it may repeat what was sent.
type problem struct {
	Error struct {
		Code string `json:"code"`
	} `json:"error"`
}

// refusal turns an error answer into what the caller may know. The cause holds the status and Microsoft's short code, nothing else.
func (c *Connector) refusal(r request, res *http.Response, body []byte) error {
	var p problem
	_ = json.Unmarshal(body, &p)
	code := word(p.Error.Code)
	cause := errors.New(strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + code))
	switch code {
	case "MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI", "ErrorNonExistentMailbox":
		return errNoMailbox.Because(cause)
	case "ErrorQuotaExceeded", "ErrorMailboxFull":
		return errFull.Because(cause)
	case "ErrorInvalidRecipients":
		return provider.ErrRecipientRefused.Because(cause)
	case "ErrorMessageSizeExceeded", "ErrorSendTooLarge":
		return errTooLarge.Because(cause)
	case "ErrorInvalidIdMalformed", "ErrorInvalidId", "ErrorItemNotFound", "ErrorFolderNotFound":
		return r.absent().Because(cause)
	}
	if forgotten(res.StatusCode, code) {
		return errResync.Because(cause)
	}
	switch s := res.StatusCode; {
	case s == http.StatusUnauthorized:
		if claimsWanted(res) {
			return challenged(cause)
		}
		return provider.ErrCredentialRefused.Because(cause)
	case s == http.StatusForbidden:
		if claimsWanted(res) {
			return challenged(cause)
		}
		return provider.ErrScopeMissing.Because(cause)
	case s == http.StatusNotFound:
		return r.absent().Because(cause)
	case s == http.StatusRequestEntityTooLarge:
		return errTooLarge.Because(cause)
	case s == http.StatusTooManyRequests:
		return errThrottled.RetryAfter(c.after(res)).Because(cause)
	case s >= 500 || s < 400:
		return errUpstream.RetryAfter(c.after(res)).Because(cause)
	}
	return errRefused.Because(cause)
}

// forgotten says that a state token is not good any more ("Use delta query to track changes", synchronization reset and token duration: 410, or another 40x with a code that
// says so).
func forgotten(status int, code string) bool {
	switch strings.ToLower(code) {
	case "syncstatenotfound", "syncstateinvalid", "resyncrequired", "errorinvalidsyncstatedata":
		return status >= 400 && status < 500
	}
	return status == http.StatusGone
}

func (r request) absent() *fault.Error {
	if r.missing != nil {
		return r.missing
	}
	return provider.ErrMessageNotFound
}

// challenged is the answer to a claims challenge: continuous access evaluation has ended this token before its time ("Claims challenges, claims requests, and client
// capabilities"). What is demanded is either a token issued after the event, which any refresh brings if Microsoft still grants one, or something that only the person can
// give; so the claims themselves are not kept. We do not declare the capability "cp1" when asking for tokens: with it they would live up to 28 hours instead of 90 minutes,
// and what is left after a revocation counts for more than hearing of another's sooner. Microsoft challenges then where a resource enforces it regardless.
func challenged(cause error) error {
	return provider.CutOff(provider.ClaimsChallenge, cause.Error()+", continuous access evaluation demands a new sign-in")
}

func claimsWanted(res *http.Response) bool {
	for _, h := range res.Header.Values("WWW-Authenticate") {
		if strings.Contains(h, "insufficient_claims") || strings.Contains(h, "claims=") {
			return true
		}
	}
	return false
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

// codeOf is Microsoft's short code in an error of this package.
func codeOf(err error) string {
	f, ok := fault.As(err)
	if !ok || errors.Unwrap(f) == nil {
		return ""
	}
	_, code, _ := strings.Cut(errors.Unwrap(f).Error(), " ")
	return code
}

// word is a short code, or nothing: an error code is no place for free text.
func word(s string) string {
	if len(s) > 60 {
		return ""
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.') {
			return ""
		}
	}
	return s
}
