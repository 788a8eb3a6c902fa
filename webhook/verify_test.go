package webhook

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The published vector of the Standard Webhooks libraries: secret, id, timestamp, body and signature.
const (
	vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime   = 1614265330
	vectorBody   = `{"test": 2432232314}`
	vectorV1     = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	// The same call signed with Ed25519 under the seed 00 01 ... 1f, computed by another implementation of RFC 8032.
	vectorPublic = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
	vectorV1A    = "v1a,yoUrgEkc12aGqm0n4Sydmdz55xJfTz4AsAgieHFjmkR7LJtqVCZOQYzvvHjI5kAey+r4iaBGxTFRrl2iBQxtDQ=="
)

func vector(signature string) http.Header {
	return http.Header{StandardIDHeader: {vectorID}, StandardTimestampHeader: {"1614265330"}, StandardSignaturesHeader: {signature}}
}

// A67, A75, and the published vector.
func TestStandardWebhooks(t *testing.T) {
	good := vector(vectorV1)
	other := "whsec_" + base64.StdEncoding.EncodeToString([]byte("another secret of 32 characters."))
	with := func(change func(http.Header)) http.Header {
		h := good.Clone()
		change(h)
		return h
	}
	for name, c := range map[string]struct {
		header http.Header
		body   string
		late   time.Duration
		keys   []string
		want   error
	}{
		"the published vector":         {good, vectorBody, 0, []string{vectorSecret}, nil},
		"the secret without prefix":    {good, vectorBody, 0, []string{strings.TrimPrefix(vectorSecret, "whsec_")}, nil},
		"the second of two secrets":    {good, vectorBody, 0, []string{other, vectorSecret}, nil},
		"the second of two signatures": {vector("v1,AAAA " + vectorV1), vectorBody, 0, []string{vectorSecret}, nil},
		"a signature of the future":    {vector("v9,AAAA " + vectorV1), vectorBody, 0, []string{vectorSecret}, nil},
		"the public key":               {vector(vectorV1 + " " + vectorV1A), vectorBody, 0, []string{vectorPublic}, nil},
		"five minutes late":            {good, vectorBody, Tolerance, []string{vectorSecret}, nil},
		"later":                        {good, vectorBody, Tolerance + time.Second, []string{vectorSecret}, ErrStale},
		"early":                        {good, vectorBody, -Tolerance - time.Second, []string{vectorSecret}, ErrStale},
		"another body":                 {good, vectorBody + " ", 0, []string{vectorSecret}, ErrWrong},
		"another body, public key":     {vector(vectorV1A), vectorBody + " ", 0, []string{vectorPublic}, ErrWrong},
		"v1 under a public key":        {good, vectorBody, 0, []string{vectorPublic}, ErrWrong},
		"v1a under a shared secret":    {vector(vectorV1A), vectorBody, 0, []string{vectorSecret}, ErrWrong},
		"another secret":               {good, vectorBody, 0, []string{other}, ErrWrong},
		"another id":                   {with(func(h http.Header) { h.Set(StandardIDHeader, "msg_2") }), vectorBody, 0, []string{vectorSecret}, ErrWrong},
		"another time":                 {with(func(h http.Header) { h.Set(StandardTimestampHeader, "1614265331") }), vectorBody, 0, []string{vectorSecret}, ErrWrong},
		// id.timestamp.body read another way: the same text, the same signature, another call.
		"a dot in the id": {with(func(h http.Header) {
			h.Set(StandardIDHeader, vectorID+".1614265330")
			h.Set(StandardTimestampHeader, `{"test": 2432232314}`)
		}), "", 0, []string{vectorSecret}, ErrMalformed},
		"a dot in the timestamp": {with(func(h http.Header) { h.Set(StandardTimestampHeader, "1614265330.0") }), vectorBody, 0, []string{vectorSecret}, ErrMalformed},
		"a sign":                 {with(func(h http.Header) { h.Set(StandardTimestampHeader, "+1614265330") }), vectorBody, 0, []string{vectorSecret}, ErrMalformed},
		"a leading zero":         {with(func(h http.Header) { h.Set(StandardTimestampHeader, "01614265330") }), vectorBody, 0, []string{vectorSecret}, ErrMalformed},
		"a huge timestamp":       {with(func(h http.Header) { h.Set(StandardTimestampHeader, strings.Repeat("9", 40)) }), vectorBody, 0, []string{vectorSecret}, ErrMalformed},
		"two ids":                {with(func(h http.Header) { h.Add(StandardIDHeader, vectorID) }), vectorBody, 0, []string{vectorSecret}, ErrMalformed},
		"no id":                  {with(func(h http.Header) { h.Del(StandardIDHeader) }), vectorBody, 0, []string{vectorSecret}, ErrMissing},
		"no signature":           {with(func(h http.Header) { h.Del(StandardSignaturesHeader) }), vectorBody, 0, []string{vectorSecret}, ErrMissing},
		"no readable signature":  {vector("g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), vectorBody, 0, []string{vectorSecret}, ErrMalformed},
		"no secret":              {good, vectorBody, 0, nil, ErrNoSecret},
		"an empty secret":        {good, vectorBody, 0, []string{"", "  ", "whsec_", "whpk_AAAA"}, ErrNoSecret},
	} {
		err := VerifyAt(time.Unix(vectorTime, 0).Add(c.late), []byte(c.body), c.header, c.keys...)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestV3 checks a signature that the standard test suite of HMAC-SHA256 has too (RFC 4231, test case 2).
func TestV3(t *testing.T) {
	const rfc = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	body := []byte("what do ya want for nothing?")
	signed := func(values ...string) http.Header { return http.Header{SignatureHeader: values} }
	for name, c := range map[string]struct {
		header http.Header
		body   []byte
		keys   []string
		want   error
	}{
		"genuine":              {signed(rfc), body, []string{"Jefe"}, nil},
		"upper case":           {signed(strings.ToUpper(rfc)), body, []string{"Jefe"}, nil},
		"the old secret":       {signed(rfc), body, []string{"other", "Jefe"}, nil},
		"spelled whsec_":       {signed(rfc), body, []string{"whsec_SmVmZQ=="}, nil},
		"one byte more":        {signed(rfc), append(bytes.Clone(body), '\n'), []string{"Jefe"}, ErrWrong},
		"another secret":       {signed(rfc), body, []string{"jefe"}, ErrWrong},
		"a public key":         {signed(rfc), body, []string{vectorPublic}, ErrWrong},
		"none":                 {signed(), body, []string{"Jefe"}, ErrMissing},
		"empty":                {signed(""), body, []string{"Jefe"}, ErrMissing},
		"two":                  {signed(rfc, rfc), body, []string{"Jefe"}, ErrMalformed},
		"base64":               {signed("W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="), body, []string{"Jefe"}, ErrMalformed},
		"an empty secret":      {signed("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"), nil, []string{""}, ErrNoSecret},
		"cut":                  {signed(rfc[:62]), body, []string{"Jefe"}, ErrMalformed},
		"newer headers decide": {http.Header{SignatureHeader: {rfc}, StandardIDHeader: {"a"}, StandardTimestampHeader: {"1"}, StandardSignaturesHeader: {"v1,AAAA"}}, body, []string{"Jefe"}, ErrWrong},
	} {
		if err := Verify(c.body, c.header, c.keys...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := VerifyStandard(body, signed(rfc), "Jefe"); !errors.Is(err, ErrMissing) {
		t.Errorf("a call whose newer headers were cut off: %v", err)
	}
}

func TestOpen(t *testing.T) {
	zip := func(plain []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(plain)
		_ = w.Close()
		return out.Bytes()
	}
	encoded := func(name string) http.Header { return http.Header{"Content-Encoding": {name}} }
	for name, c := range map[string]struct {
		body   []byte
		header http.Header
		plain  string
		want   error
	}{
		"plain":    {[]byte("{}"), http.Header{}, "{}", nil},
		"gzip":     {zip([]byte("{}")), encoded("GZIP"), "{}", nil},
		"not gzip": {[]byte("{}"), encoded("gzip"), "", ErrEncoding},
		"cut":      {zip([]byte("a longer text than the other one"))[:20], encoded("gzip"), "", ErrEncoding},
		"twice":    {zip([]byte("{}")), encoded("gzip, gzip"), "", ErrEncoding},
		"a bomb":   {zip(make([]byte, MaxOpened+1)), encoded("gzip"), "", ErrTooLarge},
	} {
		plain, err := Open(c.body, c.header)
		if !errors.Is(err, c.want) || string(plain) != c.plain {
			t.Errorf("%s: %.20q, %v", name, plain, err)
		}
	}
}
