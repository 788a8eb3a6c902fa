package verifications

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/secret"
)

// The headers of Standard Webhooks (specification 1.0, "Webhook Headers").
const (
	standardID        = "Webhook-Id"
	standardTimestamp = "Webhook-Timestamp"
	standardSignature = "Webhook-Signature"
	secretPrefix      = "whsec_"
)

// tolerance is how far the time of a call by Standard Webhooks may be from ours. After it a call that came before cannot come again, so its
// signature need not be remembered longer.
const tolerance = 5 * time.Minute

// mostSignatures bounds the signatures of one call: a sender has one for each secret in force. The others would cost time.
const mostSignatures = 8

// presented is what a call proves itself with.
type presented struct {
	signatures [][]byte
	prefix     []byte // signed before the body
	id         string
	at         time.Time
}

func (p presented) text(body []byte) []byte {
	if len(p.prefix) == 0 {
		return body
	}
	return append(append(make([]byte, 0, len(p.prefix)+len(body)), p.prefix...), body...)
}

// present reads the headers. The second value is the reason why they cannot be read.
func present(call Call) (presented, string) {
	if call.Standard {
		return presentStandard(call)
	}
	signature, reason := readSignature(call.Signatures)
	return presented{signatures: [][]byte{signature}}, reason
}

// presentStandard reads the three headers strictly. An id or a timestamp with a dot is refused: id.timestamp.body could then be split in two ways, and
// one signature would fit two calls.
func presentStandard(call Call) (presented, string) {
	var p presented
	for _, values := range [][]string{call.IDs, call.Timestamps, call.Signatures} {
		if len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) == "" {
			return p, MissingSignature
		}
		if len(values) > 1 {
			return p, MalformedSignature
		}
	}
	seconds, err := strconv.ParseUint(call.Timestamps[0], 10, 40)
	if err != nil || strconv.FormatUint(seconds, 10) != call.Timestamps[0] || !printable(call.IDs[0]) || strings.Contains(call.IDs[0], ".") {
		return p, MalformedSignature
	}
	p.id, p.at = call.IDs[0], time.Unix(int64(seconds), 0).UTC()
	p.prefix = []byte(p.id + "." + call.Timestamps[0] + ".")
	for _, one := range strings.Fields(call.Signatures[0]) {
		version, encoded, _ := strings.Cut(one, ",")
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if version != "v1" || err != nil || len(p.signatures) == mostSignatures {
			continue // another version; one that we know may stand beside it
		}
		p.signatures = append(p.signatures, raw)
	}
	if len(p.signatures) == 0 {
		return p, MalformedSignature
	}
	return p, ""
}

// standardKey is the key of HMAC that a secret of Standard Webhooks stands for: whsec_ and 24 to 64 bytes in base64. It says false for anything else.
func standardKey(text secret.Text) (secret.Text, bool) {
	encoded, prefixed := strings.CutPrefix(text.Reveal(), secretPrefix)
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !prefixed || err != nil || len(raw) < 24 || len(raw) > 64 {
		return secret.Text{}, false
	}
	return secret.New(string(raw)), true
}
