package gmail

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

var (
	errAnswer     = fault.New(fault.Upstream, "provider_unavailable", "Google did not answer as it should. Try again in a few minutes.")
	errLimited    = fault.New(fault.Limited, "provider_rate_limited", "Google asks for fewer requests to this mailbox. Try again a little later.")
	errDisabled   = fault.New(fault.Upstream, "provider_api_disabled", "The Gmail API is not switched on in the Google Cloud project of this connector. An administrator has to switch it on there.")
	errPolicy     = fault.New(fault.Denied, "provider_policy", "The administrators of this Google Workspace organisation do not allow this app to reach Gmail. They can change that in the Admin console under API controls.")
	errForbidden  = fault.New(fault.Denied, "provider_forbidden", "Google does not allow this for this mailbox.")
	errNoMailbox  = fault.New(fault.Denied, "mailbox_not_enabled", "This Google account has no Gmail mailbox, or it is switched off.")
	errQuery      = fault.New(fault.Invalid, "filter_invalid", "Gmail cannot be asked for this. Check the filters.")
	errTurnedDown = fault.New(fault.Invalid, "provider_refused", "Gmail does not take this request as it stands.")
	errClosed     = fault.New(fault.Unproven, "credential_refused", "This connection was cut. Reconnect the mailbox.")
	errPageLarge  = fault.New(fault.Invalid, "page_too_large", "The messages of this page are too large together. Ask for fewer at a time.").At("limit")
)

// denial is what of Google's error answer decides, and nothing of what could repeat mail or a token: status, the reasons by their
// short names, the message for looking into only.
type denial struct {
	status  int
	reasons []string // errors[].reason, details[].reason: rateLimitExceeded, ACCESS_TOKEN_SCOPE_INSUFFICIENT
	message string   // foreign text; never passed on
	header  http.Header
}

func (d denial) is(reasons ...string) bool {
	for _, r := range reasons {
		for _, have := range d.reasons {
			if strings.EqualFold(have, r) {
				return true
			}
		}
	}
	return false
}

func (d denial) says(words string) bool {
	return strings.Contains(strings.ToLower(d.message), strings.ToLower(words))
}

// cause is what goes to the log.
func (d denial) cause() error {
	text := "status " + strconv.Itoa(d.status)
	if len(d.reasons) > 0 {
		text += " " + strings.Join(d.reasons, " ")
	}
	return errors.New(text)
}

// denied reads an error of Google's client; false when it is none of the API's.
func denied(err error) (denial, bool) {
	var g *googleapi.Error
	if !errors.As(err, &g) {
		return denial{}, false
	}
	d := denial{status: g.Code, message: g.Message, header: g.Header}
	add := func(reason string) {
		if reason != "" && reason == word(reason) && len(d.reasons) < 4 {
			d.reasons = append(d.reasons, reason)
		}
	}
	for _, e := range g.Errors {
		add(e.Reason)
	}
	// details and status are in the newer form of the answer (AIP-193); not every version of the client reads both.
	var body struct {
		Error struct {
			Status  string `json:"status"`
			Details []struct {
				Reason string `json:"reason"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(g.Body), &body) == nil {
		for _, detail := range body.Error.Details {
			add(detail.Reason)
		}
		add(body.Error.Status)
	}
	if strings.Contains(g.Header.Get("WWW-Authenticate"), "insufficient_scope") {
		add("insufficient_scope")
	}
	return d, true
}

// word keeps what may stand in a log or on a receipt: a short name of plain letters.
func word(s string) string {
	if len(s) > 60 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return -1
	}, s)
}

// refusal turns what a call ended with into a fault, after Google's page "Resolve errors". again says that the same call may do
// better later. 404 and 400 depend on what was asked: the callers refine those.
func (c *Connector) refusal(ctx context.Context, err error) (out *fault.Error, again bool) {
	d, ok := denied(err)
	if !ok {
		f, isFault := fault.As(err)
		switch {
		case isFault && (errors.Is(f, errClosed) || errors.Is(f, provider.ErrTooLarge)):
			return f, false
		case ctx.Err() != nil:
			return errAnswer.Because(ctx.Err()), false
		case isFault:
			return errAnswer.Because(f), errors.Is(f, dial.ErrFailed)
		}
		return errAnswer.Because(errors.New("no usable answer")), true
	}
	switch {
	case d.status == http.StatusTooManyRequests, d.status == http.StatusForbidden && d.is("rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"):
		after := max(c.pause(d.header), c.pauseIn(d.message))
		return errLimited.RetryAfter(after).Because(d.cause()), !d.is("dailyLimitExceeded", "quotaExceeded")
	case d.status >= 500:
		return errAnswer.RetryAfter(c.pause(d.header)).Because(d.cause()), true
	case d.status == http.StatusUnauthorized:
		return provider.ErrCredentialRefused.Because(d.cause()), false
	case d.status == http.StatusForbidden && d.is("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficient_scope"):
		return provider.ErrScopeMissing.Because(d.cause()), false
	case d.status == http.StatusForbidden && d.is("accessNotConfigured", "SERVICE_DISABLED"):
		return errDisabled.Because(d.cause()), false
	case d.status == http.StatusForbidden && d.is("domainPolicy", "admin_policy_enforced", "ORG_RESTRICTION_VIOLATION"):
		return errPolicy.Because(d.cause()), false
	case d.status == http.StatusForbidden:
		return errForbidden.Because(d.cause()), false
	case d.status == http.StatusBadRequest && d.is("failedPrecondition", "FAILED_PRECONDITION"):
		return errNoMailbox.Because(d.cause()), false
	case d.status == http.StatusNotFound:
		return provider.ErrMessageNotFound.Because(d.cause()), false
	case d.status == http.StatusBadRequest || d.status == http.StatusRequestEntityTooLarge || d.status == http.StatusConflict:
		return errTurnedDown.Because(brief{d}), false
	}
	return errAnswer.Because(d.cause()), false
}

// brief carries a 400 to the caller that knows what was asked. It prints no foreign text.
type brief struct{ denial }

func (b brief) Error() string { return b.cause().Error() }

// turnedDown finds the 400 in err.
func turnedDown(err error) (denial, bool) {
	var b brief
	ok := errors.As(err, &b)
	return b.denial, ok
}

// pause reads Retry-After: seconds or a date (RFC 9110 section 10.2.3).
func (c *Connector) pause(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return sane(time.Duration(min(max(n, 0), 1<<20)) * time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return sane(at.Sub(c.now()))
	}
	return 0
}

// pauseIn reads the moment in "User-rate limit exceeded. Retry after 2026-11-23T10:00:00.000Z", which is how Gmail tells it.
func (c *Connector) pauseIn(message string) time.Duration {
	_, rest, ok := strings.Cut(message, "Retry after ")
	if !ok {
		return 0
	}
	stamp, _, _ := strings.Cut(rest, " ")
	at, err := time.Parse(time.RFC3339, strings.TrimRight(stamp, "."))
	if err != nil {
		return 0
	}
	return sane(at.Sub(c.now()))
}

func sane(d time.Duration) time.Duration { return min(max(d, 0), 24*time.Hour) }
