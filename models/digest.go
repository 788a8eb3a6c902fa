package models

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// BodyDigest is the keyed digest of a body as it went over the wire. Equal bodies have equal digests; without the key it tells nothing,
// so a short or guessable body cannot be found by trying.
func BodyDigest(key, body []byte) []byte { return keyedDigest(key, "body", nil, body) }

// SignatureDigest is the keyed digest of a signature within the webhook or endpoint that it belongs to. It lets a signature be recognised
// that was genuine once, without keeping one.
func SignatureDigest(key []byte, within [16]byte, signature []byte) []byte {
	return keyedDigest(key, "signature", within[:], signature)
}

// keyedDigest is HMAC-SHA256 over the parts, each with its length before it, so that no two lists of parts look alike.
func keyedDigest(key []byte, purpose string, within, value []byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range [][]byte{[]byte(purpose), within, value} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	return h.Sum(nil)
}
