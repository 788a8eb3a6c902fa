package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret in memory. The zero value is the empty secret. It is safe to copy and to use from many goroutines.
// It has no way to be unmarshalled on purpose: a secret enters through New, where a reader can see it happen.
type Text struct{ value string }

// New wraps value.
func New(value string) Text { return Text{value} }

// Reveal returns the value itself. Each call is a place to look at in a review.
func (t Text) Reveal() string { return t.value }

// Empty says whether there is nothing inside.
func (t Text) Empty() bool { return t.value == "" }

// Equal compares in constant time for equal lengths; the length itself is not hidden.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.value), []byte(other.value)) == 1
}

// Format implements fmt.Formatter, so that no verb, %#v and %x included, shows the value.
func (t Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String implements fmt.Stringer.
func (t Text) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (t Text) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler; encoding/json uses it too.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }
