package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers that Verify reads.
const (
	SignatureHeader            = "X-Nylas-Signature"
	StandardIDHeader           = "Webhook-Id"
	StandardTimestampHeader    = "Webhook-Timestamp"
	StandardSignaturesHeader   = "Webhook-Signature"
	secretPrefix, publicPrefix = "whsec_", "whpk_"
)

// Tolerance is how far the time of a call by Standard Webhooks may be from the receiver's own, either way.
const Tolerance = 5 * time.Minute

// Why a call is not genuine. Answer 401 to each; which one it was is for your own log.
var (
	ErrNoSecret  = errors.New("webhook: no usable secret was given")
	ErrMissing   = errors.New("webhook: the call has no signature")
	ErrMalformed = errors.New("webhook: the signature cannot be read")
	ErrStale     = errors.New("webhook: the call is too old, or from the future")
	ErrWrong     = errors.New("webhook: the signature does not match")
)

// Verify says whether body came from Postern: nil, or why not. body is the request's body as it came over the wire; where it is compressed,
// still compressed. secrets are those that count now, so during a rotation two: the old one and the new one. Each is a webhook's secret as it was
// shown, the same spelled whsec_..., or a webhook's public key, whpk_.... An empty one is passed over.
//
// Where the call has the headers of Standard Webhooks, they decide, and the call must be young. Else X-Nylas-Signature does; it carries no
// time, so a captured call stays good as long as its secret: remember the ids, or use VerifyStandard. A public key alone needs Standard Webhooks.
func Verify(body []byte, header http.Header, secrets ...string) error {
	return VerifyAt(time.Now(), body, header, secrets...)
}

// VerifyAt is Verify at a given time.
func VerifyAt(now time.Time, body []byte, header http.Header, secrets ...string) error {
	keys := readKeys(secrets)
	if len(keys) == 0 {
		return ErrNoSecret
	}
	if len(header.Values(StandardIDHeader)) > 0 || len(header.Values(StandardTimestampHeader)) > 0 || len(header.Values(StandardSignaturesHeader)) > 0 {
		return standard(now, body, header, keys)
	}
	return v3(body, header, keys)
}

// VerifyStandard is Verify for a receiver that takes nothing but Standard Webhooks: a captured call whose newer headers were cut off, so that it
// could be sent again at any time, is ErrMissing here.
func VerifyStandard(body []byte, header http.Header, secrets ...string) error {
	keys := readKeys(secrets)
	if len(keys) == 0 {
		return ErrNoSecret
	}
	return standard(time.Now(), body, header, keys)
}

// key is one secret: shared holds the keys of HMAC-SHA256 that it may stand for, public that of Ed25519.
type key struct {
	shared [][]byte
	public ed25519.PublicKey
}

// readKeys reads each secret as what its spelling says. A secret without a prefix is taken as it is, and also, for senders other than
// Postern who show it so, as bare base64: Standard Webhooks' libraries do the same.
func readKeys(secrets []string) []key {
	var keys []key
	for _, text := range secrets {
		text = strings.TrimSpace(text)
		switch encoded, prefixed := strings.CutPrefix(text, secretPrefix); {
		case text == "":
		case strings.HasPrefix(text, publicPrefix):
			if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, publicPrefix)); err == nil && len(raw) == ed25519.PublicKeySize {
				keys = append(keys, key{public: raw})
			}
		case prefixed:
			if raw, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(raw) > 0 {
				keys = append(keys, key{shared: [][]byte{raw}})
			}
		default:
			k := key{shared: [][]byte{[]byte(text)}}
			if raw, err := base64.StdEncoding.DecodeString(text); err == nil && len(raw) >= 16 {
				k.shared = append(k.shared, raw)
			}
			keys = append(keys, k)
		}
	}
	return keys
}

func v3(body []byte, header http.Header, keys []key) error {
	values := header.Values(SignatureHeader)
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return ErrMissing
	}
	given, err := hex.DecodeString(values[0])
	if err != nil || len(values) > 1 || len(given) != sha256.Size {
		return ErrMalformed
	}
	found := 0
	for _, k := range keys {
		for _, shared := range k.shared {
			found |= subtle.ConstantTimeCompare(mac(shared, body), given)
		}
	}
	if found == 0 {
		return ErrWrong
	}
	return nil
}

func standard(now time.Time, body []byte, header http.Header, keys []key) error {
	id, stamp, list := header.Values(StandardIDHeader), header.Values(StandardTimestampHeader), header.Values(StandardSignaturesHeader)
	if len(id) == 0 || len(stamp) == 0 || len(list) == 0 {
		return ErrMissing
	}
	if len(id) > 1 || len(stamp) > 1 || len(list) > 1 || id[0] == "" || strings.Contains(id[0], ".") {
		return ErrMalformed
	}
	seconds, err := strconv.ParseUint(stamp[0], 10, 40)
	if err != nil || strconv.FormatUint(seconds, 10) != stamp[0] {
		return ErrMalformed
	}
	text := append([]byte(id[0]+"."+stamp[0]+"."), body...)
	readable, found := false, 0
	for _, signature := range strings.Fields(list[0]) {
		version, encoded, _ := strings.Cut(signature, ",")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || version != "v1" && version != "v1a" {
			continue // a version of the future
		}
		readable = true
		for _, k := range keys {
			if version == "v1a" {
				if k.public != nil && ed25519.Verify(k.public, text, given) {
					found = 1
				}
				continue
			}
			for _, shared := range k.shared {
				found |= subtle.ConstantTimeCompare(mac(shared, text), given)
			}
		}
	}
	switch at := time.Unix(int64(seconds), 0); {
	case !readable:
		return ErrMalformed
	case found == 0:
		return ErrWrong
	case now.Sub(at) > Tolerance || at.Sub(now) > Tolerance:
		return ErrStale
	}
	return nil
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}
