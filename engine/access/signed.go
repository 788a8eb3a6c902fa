package access

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// signedWithin is how far the time in a signed request may be from ours, either way (contract, section 8).
const signedWithin = 5 * time.Minute

var (
	errSigned    = fault.New(fault.Unproven, "signature_refused", "The service account is unknown, revoked or expired, or the signature does not hold for this method, path, time, nonce and body.")
	errSignedAt  = fault.New(fault.Unproven, "signature_time", "X-Nylas-Timestamp is a time in whole seconds since 1970, at most five minutes from this server's.")
	errNonce     = fault.New(fault.Unproven, "nonce_reused", "This X-Nylas-Nonce was used before. Every request has its own.")
	errNonceForm = fault.New(fault.Unproven, "signature_refused", "X-Nylas-Nonce is 1 to 128 printable characters, new for each request.")
)

// Signed is a request as a service account signed it.
type Signed struct {
	Kid, Nonce, Timestamp, Signature string // as the headers have them
	Method, Path                     string // the path as it was sent, without query
	Body                             []byte // as it was sent
	Addr                             netip.Addr
}

// Signer says which service account signed a request. Unknown, revoked and expired accounts and signatures that do not hold are one and the same fault. A request is good
// once: the nonce is spent with it, and a copy is refused by every process.
func (s *Service) Signer(ctx context.Context, r Signed) (models.Actor, error) {
	now := s.now().UTC()
	seconds, err := strconv.ParseInt(r.Timestamp, 10, 64)
	if err != nil || r.Timestamp != strconv.FormatInt(seconds, 10) || now.Sub(time.Unix(seconds, 0)).Abs() > signedWithin {
		return models.Actor{}, errSignedAt
	}
	if !printable(r.Nonce) || r.Nonce == "" || len(r.Nonce) > 128 {
		return models.Actor{}, errNonceForm
	}
	id, err := models.ParseID[models.ServiceAccountID](strings.ToLower(r.Kid))
	if err != nil {
		return models.Actor{}, errSigned
	}
	signature, err := base64.StdEncoding.DecodeString(r.Signature)
	if err != nil || len(signature) > mostKeyBits/8 {
		return models.Actor{}, errSigned
	}
	var account models.ServiceAccount
	err = s.store.OnPlatform(ctx, "look up a service account", func(tx *store.Tx) (err error) {
		account, err = tx.ServiceAccount(id)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return models.Actor{}, errSigned.Because(err)
	case err != nil:
		return models.Actor{}, err
	case !account.Usable(now), !utf8.Valid(r.Body), !holds(account.PublicKey, signingText(r, seconds), signature):
		return models.Actor{}, errSigned
	case !within(account.Addresses, r.Addr):
		return models.Actor{}, errAddress
	}
	fresh := false
	hash := sha256.Sum256([]byte(r.Nonce))
	err = s.store.OnPlatform(ctx, "spend a service account's nonce", func(tx *store.Tx) (err error) {
		// Its row outlives every time at which the request could be taken again.
		if fresh, err = tx.SpendServiceNonce(models.ServiceNonce{AccountID: id, NonceHash: hash[:], EndsAt: time.Unix(seconds, 0).UTC().Add(2 * signedWithin)}, now); err != nil || !fresh {
			return err
		}
		return tx.MarkServiceAccountUsed(id, now)
	})
	if err != nil {
		return models.Actor{}, err
	}
	if !fresh {
		return models.Actor{}, errNonce
	}
	a := models.Actor{Kind: models.ActorService, ID: id.String(), Label: "Service account " + account.Name, Application: account.ApplicationID, Addr: r.Addr, Permissions: models.ServicePermissions()}
	if len(account.Permissions) > 0 {
		a.Permissions = slices.DeleteFunc(a.Permissions, func(p models.Permission) bool { return !slices.Contains(account.Permissions, string(p)) })
	}
	return a, nil
}

func holds(public []byte, text string, signature []byte) bool {
	key, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		return false
	}
	of, ok := key.(*rsa.PublicKey)
	sum := sha256.Sum256([]byte(text))
	return ok && rsa.VerifyPKCS1v15(of, crypto.SHA256, sum[:], signature) == nil
}

// signingText is what is signed: JSON without white space, its keys in order, the body within it as a text (contract, section 8).
func signingText(r Signed, seconds int64) string {
	var b strings.Builder
	b.WriteString(`{"method":`)
	quote(&b, strings.ToLower(r.Method))
	b.WriteString(`,"nonce":`)
	quote(&b, r.Nonce)
	b.WriteString(`,"path":`)
	quote(&b, r.Path)
	if len(r.Body) > 0 {
		b.WriteString(`,"payload":`)
		quote(&b, string(r.Body))
	}
	fmt.Fprintf(&b, `,"timestamp":%d}`, seconds)
	return b.String()
}

// quote writes a text as JSON.stringify and Python's json.dumps do: nothing is escaped that need not be. encoding/json escapes more, and the signature would not hold.
func quote(b *strings.Builder, text string) {
	b.WriteByte('"')
	for _, r := range text {
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\b':
			b.WriteString(`\b`)
		case '\f':
			b.WriteString(`\f`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			if r < ' ' {
				fmt.Fprintf(b, `\u%04x`, r)
			} else {
				b.WriteRune(r)
			}
		}
	}
	b.WriteByte('"')
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// within says whether addr is in one of the networks; without networks every address is. A network that cannot be read covers nothing.
func within(networks []string, addr netip.Addr) bool {
	return len(networks) == 0 || slices.ContainsFunc(networks, func(text string) bool {
		p, err := netip.ParsePrefix(text)
		return err == nil && p.Contains(addr.Unmap())
	})
}
