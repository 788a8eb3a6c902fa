package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
)

// authenticator is a passkey in software: it answers as a browser with a platform authenticator would (WebAuthn Level 3, sections 6.1 and 6.5).
type authenticator struct {
	t          *testing.T
	origin, rp string
	id         []byte
	key        *ecdsa.PrivateKey
	user       []byte
	count      uint32
	unverified bool // the person did not show a PIN, finger or face
}

func newAuthenticator(t *testing.T, origin, rp string) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authenticator{t: t, origin: origin, rp: rp, id: make([]byte, 32), key: key}
	_, _ = rand.Read(a.id)
	return a
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *authenticator) clientData(kind, challenge string) []byte {
	raw, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	if err != nil {
		a.t.Fatal(err)
	}
	return raw
}

func (a *authenticator) authData(flags byte) []byte {
	rp := sha256.Sum256([]byte(a.rp))
	if !a.unverified {
		flags |= 0x04
	}
	out := append(rp[:], flags|0x01)
	return binary.BigEndian.AppendUint32(out, a.count)
}

// create answers navigator.credentials.create with attestation "none". The CBOR (RFC 8949) is spelled out: two small maps.
func (a *authenticator) create(options any) []byte {
	creation, ok := options.(*protocol.CredentialCreation)
	if !ok {
		a.t.Fatalf("not creation options: %T", options)
	}
	user, err := base64.RawURLEncoding.DecodeString(creation.Response.User.ID.(protocol.URLEncodedBase64).String())
	if err != nil {
		a.t.Fatal(err)
	}
	a.user = user
	point, err := a.key.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...) // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:65]...)
	data := a.authData(0x40)
	data = append(data, make([]byte, 16)...) // AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.id)))
	data = append(append(data, a.id...), cose...)
	object := append([]byte{0xa3}, []byte("\x63fmt\x64none\x67attStmt\xa0\x68authData\x58")...)
	object = append(append(object, byte(len(data))), data...)
	return a.answer(map[string]any{"clientDataJSON": b64(a.clientData("webauthn.create", creation.Response.Challenge.String())), "attestationObject": b64(object), "transports": []string{"internal"}})
}

// get answers navigator.credentials.get.
func (a *authenticator) get(options any) []byte {
	assertion, ok := options.(*protocol.CredentialAssertion)
	if !ok {
		a.t.Fatalf("not assertion options: %T", options)
	}
	client, data := a.clientData("webauthn.get", assertion.Response.Challenge.String()), a.authData(0)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(a.user)})
}

func (a *authenticator) answer(response map[string]any) []byte {
	raw, err := json.Marshal(map[string]any{"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	if err != nil {
		a.t.Fatal(err)
	}
	return raw
}
