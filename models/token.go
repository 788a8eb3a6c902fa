package models

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// NewToken makes a bearer secret: prefix and 256 random bits in base64url. The prefix tells people and secret scanners what they are looking at.
func NewToken(prefix string) string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails; it ends the process instead
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// HashToken is what is kept of a bearer secret. A plain SHA-256 is enough for 256 random bits.
func HashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// The prefixes of what we issue.
const (
	AccessTokenPrefix  = "pat_"
	RefreshTokenPrefix = "prt_"
)
