package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says who can do something about an error.
type Kind int

// The kinds. Everything that is not a *Error is Internal.
const (
	Internal    Kind = iota // ours; nothing of it is shown
	Invalid                 // the caller sent something we cannot take
	Unproven                // the caller has not shown who they are, or what they showed is no longer good
	Denied                  // the caller is known and may not do this
	NotFound                // absent, or not the caller's: the two are never told apart
	Conflict                // true at another time: already revoked, taken, in progress
	Gone                    // was there, is spent: a used link, an expired flow
	Limited                 // too often, too much
	Upstream                // a mail provider or receiver answered badly
	Unavailable             // one of our own parts is out of reach for now
)

var kindNames = [...]string{"internal", "invalid", "unproven", "denied", "not_found", "conflict", "gone", "limited", "upstream", "unavailable"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[0]
	}
	return kindNames[k]
}

// Error is an error with something to say to each of its three readers.
type Error struct {
	Kind   Kind
	Code   string        // stable, snake_case, for programs: grant_already_revoked
	Public string        // one or two plain sentences for a person; holds no secret and nothing of another tenant
	Field  string        // the form field or parameter at fault; empty when none is
	After  time.Duration // Limited, Unavailable, Upstream: how long to wait before trying again; 0 = not known
	Base   string        // base URL of the installation in another region that has what was asked for; empty: it is not there, or not known here
	cause  error
}

// Error is for the log. It names the code and the cause, never Public alone.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Code
	}
	return e.Code + ": " + e.cause.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// Because returns a copy of e that carries cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// At returns a copy of e that names the field at fault.
func (e *Error) At(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// RetryAfter returns a copy of e that says when to try again.
func (e *Error) RetryAfter(d time.Duration) *Error {
	c := *e
	c.After = d
	return &c
}

// Is makes errors.Is compare by kind and code, so that a copy with a cause still matches its original.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Code == e.Code
}

// New makes an error of the kind. public may hold verbs for args; none of args may be a secret.
func New(kind Kind, code, public string, args ...any) *Error {
	if len(args) > 0 {
		public = fmt.Sprintf(public, args...)
	}
	return &Error{Kind: kind, Code: code, Public: public}
}

// Elsewhere makes the fault of something that an installation in another region keeps: what ("This key") belongs to region, here is this installation's own. base is where that other
// one answers; empty when the operator named none.
func Elsewhere(kind Kind, what, region, here, base string) *Error {
	if base == "" {
		return New(kind, "wrong_region", "%s belongs to region %s, and this is region %s. Use the base URL of that region.", what, strings.ToUpper(region), strings.ToUpper(here))
	}
	e := New(kind, "wrong_region", "%s belongs to region %s. Use the base URL %s.", what, strings.ToUpper(region), base)
	e.Base = base
	return e
}

// KindOf tells the kind of the first *Error in err's chain, Internal when there is none.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Internal
}

// As finds the first *Error in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
