package verifications

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
)

// gunzip opens a genuine body. The second value is the reason why it does not.
func gunzip(body []byte) ([]byte, string) {
	source := bytes.NewReader(body)
	r, err := gzip.NewReader(source)
	if err != nil {
		return nil, BadEncoding
	}
	r.Multistream(false) // one member and nothing behind it: else one body could be read in two ways
	limit := openedLimit(len(body))
	named := namedSize(body)
	if named > limit {
		if n, _ := io.CopyN(io.Discard, r, limit+1); n > limit {
			return nil, DecompressionBomb
		}
		return nil, BadEncoding
	}
	// What is allocated is what the body names, which is within the limit; one that holds more than it names is damaged or lies.
	out := make([]byte, named)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, BadEncoding
	}
	if n, err := io.ReadFull(r, make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) || source.Len() > 0 {
		return nil, BadEncoding
	}
	return out, ""
}

// namedSize is the size that the trailer names (RFC 1952 section 2.3.1, ISIZE). A body too short for header and trailer names none.
func namedSize(body []byte) int64 {
	if len(body) < 18 {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(body[len(body)-4:]))
}

// openedLimit is how far a body of size may open.
func openedLimit(size int) int64 { return min(maxOpened, max(maxRatio*int64(size), ratioExempt)) }

// maxDiagnosed bounds what is opened of a body that was refused already.
const maxDiagnosed = 1 << 20

// signsOpened says whether one of the signatures covers the decompressed bytes (after prefix, in Standard Webhooks). Nothing of them is kept: they stream through the MACs. A body whose
// trailer names more than a small size is not opened at all, and one that lies about it is left at the limit.
func signsOpened(prefix, body []byte, signatures [][]byte, keys []Key) bool {
	limit := diagnosable(body)
	if limit == 0 {
		return false
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return false
	}
	var macs []hash.Hash
	var all []io.Writer
	for _, k := range keys {
		if k.Secret.Empty() {
			continue
		}
		h := hmac.New(sha256.New, []byte(k.Secret.Reveal()))
		h.Write(prefix)
		macs, all = append(macs, h), append(all, h)
	}
	if n, err := io.CopyN(io.MultiWriter(all...), r, limit+1); !errors.Is(err, io.EOF) || n > limit {
		return false
	}
	found := false
	for _, h := range macs {
		for _, signature := range signatures {
			found = hmac.Equal(h.Sum(nil), signature) || found
		}
	}
	return found
}

// diagnosable says how many bytes of a refused body may be opened: as many as its trailer names, when that is little; 0: none.
func diagnosable(body []byte) int64 {
	named := namedSize(body)
	if named > maxDiagnosed || named > openedLimit(len(body)) {
		return 0
	}
	return named
}
