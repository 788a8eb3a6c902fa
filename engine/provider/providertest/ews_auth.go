package providertest

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // NTLM is made of it
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"sync"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //nolint:staticcheck // as above: deprecated because it is weak
)

// xConn is what the server knows of one connection: NTLM proves connections, not requests (MS-NTHT).
type xConn struct {
	mu        sync.Mutex
	challenge []byte
	user      string
}

type xConnKey struct{}

// signedIn lets in who proved a password on this connection by NTLM, or with this request by Basic.
func (x *ExchangeServer) signedIn(next func(http.ResponseWriter, *http.Request, string, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(xConnKey{}).(*xConn)
		conn.mu.Lock()
		defer conn.mu.Unlock()
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, 80<<20))
		if err != nil {
			return
		}
		x.mu.Lock()
		ways, forgetful := x.ways, x.forgetful
		x.mu.Unlock()
		no := func(ways []string) {
			for _, v := range ways {
				w.Header().Add("WWW-Authenticate", v)
			}
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("<html>401 - Unauthorized: Access is denied due to invalid credentials.</html>"))
		}
		scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		offered := false
		for _, v := range ways {
			offered = offered || strings.EqualFold(strings.Fields(v)[0], scheme)
		}
		user := conn.user
		switch {
		case scheme == "" && user == "", scheme != "" && !offered:
			no(ways)
			return
		case scheme == "Basic":
			login, password, _ := r.BasicAuth()
			if len(login) > 7 && login[:7] == `LEGACY\` {
				login = login[7:] // a name that only IIS knows how to map
			}
			if user = x.known(login, func(want string) bool { return want == password }); user == "" {
				no(ways)
				return
			}
		case scheme == "NTLM":
			conn.user, user = "", ""
			message, err := base64.StdEncoding.DecodeString(rest)
			switch {
			case err != nil || len(message) < 12 || string(message[:8]) != "NTLMSSP\x00":
				w.WriteHeader(http.StatusBadRequest)
				return
			case message[8] == 1:
				conn.challenge = make([]byte, 8)
				_, _ = rand.Read(conn.challenge)
				no([]string{"NTLM " + base64.StdEncoding.EncodeToString(ntlmChallenge(conn.challenge))})
				return
			case message[8] == 3 && conn.challenge != nil:
				user = x.ntlmUser(message, conn.challenge)
				conn.challenge = nil
			}
			if user == "" {
				no(ways)
				return
			}
			conn.user = user
		}
		if forgetful {
			conn.user = ""
		}
		next(w, r, user, body)
	}
}

// known is the mailbox that a login name means, empty unless its password is right.
func (x *ExchangeServer) known(login string, right func(password string) bool) string {
	login = strings.ToLower(login)
	if rest, ok := strings.CutPrefix(login, `exchange\`); ok {
		login = rest
	}
	if !strings.Contains(login, "@") {
		login += "@" + ExchangeDomain
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if p, ok := x.pass[login]; ok && right(p) {
		return login
	}
	return ""
}

func utf16le(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// ntlmChallenge is the CHALLENGE_MESSAGE (MS-NLMP section 2.2.1.2).
func ntlmChallenge(challenge []byte) []byte {
	target := utf16le("EXCHANGE")
	var info []byte
	for _, av := range []struct {
		id   uint16
		text string
	}{{2, "EXCHANGE"}, {1, "MAIL"}, {4, ExchangeDomain}, {3, "mail." + ExchangeDomain}} {
		v := utf16le(av.text)
		info = binary.LittleEndian.AppendUint16(info, av.id)
		info = binary.LittleEndian.AppendUint16(info, uint16(len(v)))
		info = append(info, v...)
	}
	info = append(info, 0, 0, 0, 0)
	out := append([]byte("NTLMSSP\x00"), 2, 0, 0, 0)
	field := func(b []byte, at int) {
		out = binary.LittleEndian.AppendUint16(out, uint16(len(b)))
		out = binary.LittleEndian.AppendUint16(out, uint16(len(b)))
		out = binary.LittleEndian.AppendUint32(out, uint32(at))
	}
	field(target, 56)
	out = binary.LittleEndian.AppendUint32(out, 0xA2898205) // Unicode, NTLM, target info, extended session security, 128 and 56 bits
	out = append(out, challenge...)
	out = append(out, make([]byte, 8)...)
	field(info, 56+len(target))
	out = append(out, 10, 0, 0x61, 0x4f, 0, 0, 0, 15)
	return append(append(out, target...), info...)
}

// ntlmUser checks the AUTHENTICATE_MESSAGE as NTLMv2 (MS-NLMP section 3.3.2). Anything older is refused.
func (x *ExchangeServer) ntlmUser(m, challenge []byte) string {
	field := func(at int) []byte {
		if len(m) < at+8 {
			return nil
		}
		n, from := int(binary.LittleEndian.Uint16(m[at:])), int(binary.LittleEndian.Uint32(m[at+4:]))
		if from < 0 || from+n > len(m) {
			return nil
		}
		return m[from : from+n]
	}
	text := func(b []byte) string {
		var u []uint16
		for i := 0; i+1 < len(b); i += 2 {
			u = append(u, binary.LittleEndian.Uint16(b[i:]))
		}
		return string(utf16.Decode(u))
	}
	proof, domain, user := field(20), text(field(28)), text(field(36))
	if len(proof) <= 24 {
		return ""
	}
	login := user
	if domain != "" {
		login = domain + `\` + user
	}
	return x.known(login, func(password string) bool {
		h := md4.New()
		_, _ = h.Write(utf16le(password))
		key := mac(h.Sum(nil), utf16le(strings.ToUpper(user)+domain))
		return bytes.Equal(mac(key, append(append([]byte{}, challenge...), proof[16:]...)), proof[:16])
	})
}

func mac(key, data []byte) []byte {
	h := hmac.New(md5.New, key)
	_, _ = h.Write(data)
	return h.Sum(nil)
}
