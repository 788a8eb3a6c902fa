package verifications

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/secret"
)

const (
	// MaxBody is the most that is read of a request.
	MaxBody = 1 << 20
	// maxOpened is the most that a compressed body may open to, and maxRatio how many times its own size; small bodies are let off the ratio.
	maxOpened   = 10 << 20
	maxRatio    = 100
	ratioExempt = 64 << 10
)

// The reasons of a verdict. The first three are acceptances.
const (
	OK                        = "ok"
	OKPreviousSecret          = "ok_previous_secret"
	Duplicate                 = "duplicate"
	MissingSignature          = "missing_signature"
	MalformedSignature        = "malformed_signature"
	WrongSecret               = "wrong_secret"
	AlteredBody               = "altered_body"
	SignedOtherRepresentation = "signed_other_representation"
	OldSecret                 = "old_secret"
	NotAllowlisted            = "not_allowlisted"
	Oversize                  = "oversize"
	DecompressionBomb         = "decompression_bomb"
	BadEncoding               = "bad_encoding"
	NotJSON                   = "not_json"
	UnknownEndpoint           = "unknown_endpoint"
	Stale                     = "stale"           // Standard Webhooks: genuine, and too old or from the future
	Replayed                  = "replayed"        // Standard Webhooks: the very same call again
	WrongClaims               = "wrong_claims"    // a provider's token is genuine, and for somebody else
	Paused                    = "paused"          // the source is paused: put off, not looked at
	RotationWindow            = "rotation_window" // no known secret explains it, while the sender's rotation is declared
)

// The representations of a body.
const (
	raw        = "raw"
	compressed = "gzip"
)

// Key is one secret that a sender may have signed with.
type Key struct {
	Generation int
	Secret     secret.Text
	Until      *time.Time // nil: in force; else when it stops, or has stopped, to count
	Staged     bool       // entered before the sender uses it
}

// Call is what came in.
type Call struct {
	Body       []byte // as it came over the wire
	Oversize   bool   // there was more than MaxBody; Body is not looked at
	Signatures []string
	Encodings  []string // Content-Encoding
	Standard   bool     // by Standard Webhooks: Signatures is Webhook-Signature, and the next two count
	IDs        []string // Webhook-Id
	Timestamps []string // Webhook-Timestamp
}

// Verdict is what a check found. It holds nothing of the body but the event's id and type, and these only when the signature is good.
type Verdict struct {
	Accepted       bool
	Reason         string
	Generation     int // of the secret that made the signature, also of one that has ended; 0: none did
	Representation string
	EventID        string
	EventType      string
	Time           time.Time // the event's own; zero: it says none
	signature      []byte    // the one that is genuine, else the first presented; for the digest by which a genuine one is recognised
	staged         bool      // made with a secret that the sender had not used before
}

// Check decides whether call was signed with one of keys, in this order: size, form of the header, HMAC-SHA256 over the raw bytes under every key
// in constant time, for Standard Webhooks the age, and only for a genuine body decompression and parsing, both capped. It does not know of duplicates. With no key, or only empty
// ones, nothing is genuine.
//
// One thing is looked at after a refusal: whether the signature covers the decompressed bytes, the commonest mistake of a sender. It changes
// the reason and never the verdict, and opens only a body that by its own account stays small.
func Check(call Call, keys []Key, now time.Time) Verdict {
	v := Verdict{Representation: raw}
	if call.Oversize || len(call.Body) > MaxBody {
		v.Reason, v.Representation = Oversize, ""
		return v
	}
	encoding := strings.ToLower(strings.TrimSpace(strings.Join(call.Encodings, ",")))
	if encoding == compressed {
		v.Representation = compressed
	}
	p, reason := present(call)
	if reason != "" {
		v.Reason = reason
		return v
	}
	v.signature = p.signatures[0]
	match, genuineMAC := matching(p.text(call.Body), p.signatures, keys)
	if match < 0 {
		v.Reason = WrongSecret
		if v.Representation == compressed && signsOpened(p.prefix, call.Body, p.signatures, keys) {
			v.Reason = SignedOtherRepresentation
		}
		return v
	}
	k := keys[match]
	v.Generation, v.staged = k.Generation, k.Staged
	v.signature = genuineMAC // of several that were presented, the one that is genuine
	switch {
	case k.Until == nil:
		v.Reason = OK
	case now.Before(*k.Until):
		v.Reason = OKPreviousSecret
	default:
		v.Reason = OldSecret
		return v
	}
	if call.Standard {
		v.EventID, v.Time = p.id, p.at
		if age := now.Sub(p.at); age > tolerance || age < -tolerance {
			v.Reason, v.EventID = Stale, ""
			return v
		}
	}
	return genuine(v, call.Body, encoding)
}

// genuine opens and reads a body whose signature is good.
func genuine(v Verdict, body []byte, encoding string) Verdict {
	switch encoding {
	case "", "identity":
	case compressed:
		opened, reason := gunzip(body)
		if reason != "" {
			v.Reason = reason
			return v
		}
		body = opened
	default:
		v.Reason = BadEncoding
		return v
	}
	e, err := readEnvelope(body, v.EventID)
	if err != nil {
		v.Reason, v.EventID = NotJSON, ""
		return v
	}
	v.Accepted, v.EventID, v.EventType = true, e.id, e.kind
	if v.Time.IsZero() {
		v.Time = e.at
	}
	return v
}

// readSignature takes one header of 64 hexadecimal digits, in either case. The second value is the reason why there is none.
func readSignature(values []string) ([]byte, string) {
	if len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) == "" {
		return nil, MissingSignature
	}
	if len(values) > 1 || len(values[0]) != 2*sha256.Size {
		return nil, MalformedSignature
	}
	signature, err := hex.DecodeString(values[0])
	if err != nil {
		return nil, MalformedSignature
	}
	return signature, ""
}

// matching says which key made one of the signatures, and which signature that is; -1: none. The MAC is computed under every key and each comparison takes the same time, so
// neither the answer's delay nor its order tells how much of a signature is right or which key it was.
func matching(text []byte, signatures [][]byte, keys []Key) (int, []byte) {
	match, sums := -1, make([][]byte, len(keys))
	for i, k := range keys {
		if k.Secret.Empty() {
			continue // an empty secret signs for everybody
		}
		h := hmac.New(sha256.New, []byte(k.Secret.Reveal()))
		h.Write(text)
		sums[i] = h.Sum(nil)
		for _, signature := range signatures {
			match = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sums[i], signature), i, match)
		}
	}
	if match < 0 {
		return match, nil
	}
	return match, sums[match]
}
