package webhook

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// MaxOpened is the most that Open decompresses to.
const MaxOpened = 10 << 20

// Why a body does not open.
var (
	ErrEncoding = errors.New("webhook: the body is not in the encoding that its header names")
	ErrTooLarge = errors.New("webhook: the body opens to more than 10 MiB")
)

// Open gives the body in the clear: decompressed where Content-Encoding says gzip, else as it is. Call it after Verify: the signature covers the
// compressed bytes, and nothing unverified should be decompressed.
func Open(body []byte, header http.Header) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(strings.Join(header.Values("Content-Encoding"), ","))) {
	case "", "identity":
		return body, nil
	case "gzip":
	default:
		return nil, ErrEncoding
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, ErrEncoding
	}
	plain, err := io.ReadAll(io.LimitReader(r, MaxOpened+1))
	switch {
	case err != nil:
		return nil, ErrEncoding
	case len(plain) > MaxOpened:
		return nil, ErrTooLarge
	}
	return plain, nil
}
