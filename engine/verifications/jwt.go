package verifications

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// mostToken bounds a token: Google's have about a kilobyte.
const mostToken = 16 << 10

// tokenSkew is how far a provider's clock may be from ours.
const tokenSkew = time.Minute

// claims is what is looked at of a token whose signature is good.
type claims struct {
	issuer, subject, id, email string
	audience                   []string
	verified                   bool
	issued, expires, notBefore time.Time // zero: not said
	signature                  []byte
	events                     map[string]json.RawMessage
}

// readToken checks the form and the RS256 signature of a compact JWT (RFC 7519, RFC 8725) and reads its claims. The second value is the reason why it is refused;
// an error says that it cannot be judged now. The algorithm is ours to choose, not the token's: anything but RS256 is refused before a key is looked for. Of
// the header only alg, kid and typ count; a key, or an address of one, that it brings along is not looked at, and one with crit is refused.
func readToken(ctx context.Context, keys *keySet, text string, types ...string) (claims, string, error) {
	var c claims
	if text == "" {
		return c, MissingSignature, nil
	}
	parts := strings.Split(text, ".")
	if len(text) > mostToken || len(parts) != 3 {
		return c, MalformedSignature, nil
	}
	var raw [3][]byte
	for i, part := range parts {
		var err error
		// Strict: of several spellings of one value only one is taken.
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil || len(raw[i]) == 0 {
			return c, MalformedSignature, nil
		}
	}
	header, err := readObject(raw[0])
	if err != nil {
		return c, MalformedSignature, nil
	}
	_, critical := header["crit"]
	typ, id := strings.ToLower(words(header["typ"])), words(header["kid"])
	if words(header["alg"]) != "RS256" || critical || id == "" || header["typ"] != nil && !slices.Contains(types, strings.TrimPrefix(typ, "application/")) {
		return c, MalformedSignature, nil
	}
	key, err := keys.key(ctx, id)
	if err != nil {
		return c, "", err
	}
	if key == nil {
		return c, WrongSecret, nil
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], raw[2]) != nil {
		return c, WrongSecret, nil
	}
	body, err := readObject(raw[1])
	if err != nil || !c.read(body) {
		return c, NotJSON, nil
	}
	c.signature = raw[2]
	return c, "", nil
}

func (c *claims) read(body map[string]json.RawMessage) bool {
	c.issuer, c.subject, c.id, c.email = words(body["iss"]), words(body["sub"]), words(body["jti"]), words(body["email"])
	// A text "true" is not true (RFC 7519 leaves no room; some libraries do).
	c.verified = string(bytes.TrimSpace(body["email_verified"])) == "true"
	if one := words(body["aud"]); one != "" {
		c.audience = []string{one}
	} else if body["aud"] != nil && json.Unmarshal(body["aud"], &c.audience) != nil {
		return false
	}
	for name, at := range map[string]*time.Time{"iat": &c.issued, "exp": &c.expires, "nbf": &c.notBefore} {
		if body[name] == nil {
			continue
		}
		var seconds float64
		if json.Unmarshal(body[name], &seconds) != nil || math.IsNaN(seconds) || seconds <= 0 || seconds > 1<<40 {
			return false
		}
		*at = time.Unix(int64(seconds), 0).UTC()
	}
	if body["events"] != nil {
		events, err := readObject(body["events"])
		if err != nil {
			return false
		}
		c.events = events
	}
	return true
}

// timely says whether the token holds at now: issued, not from the future, and not over.
func (c claims) timely(now time.Time) bool {
	return !c.issued.IsZero() && !c.expires.IsZero() && !c.issued.After(now.Add(tokenSkew)) && now.Before(c.expires.Add(tokenSkew)) && !c.notBefore.After(now.Add(tokenSkew)) && c.expires.After(c.issued)
}

// readObject reads one JSON object strictly: nothing behind it, and no name twice in it, because two readers could choose differently.
func readObject(body []byte) (map[string]json.RawMessage, error) {
	bad := errors.New("not one JSON object")
	dec := json.NewDecoder(bytes.NewReader(body))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return nil, bad
	}
	out := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		name, isText := token.(string)
		var value json.RawMessage
		if err != nil || !isText || dec.Decode(&value) != nil {
			return nil, bad
		}
		if _, twice := out[name]; twice {
			return nil, bad
		}
		out[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, bad
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, bad
	}
	return out, nil
}

// words is a JSON text; empty for anything else.
func words(value json.RawMessage) string {
	var text string
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}
