package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// book is what the authorization server remembers: its client, the password, codes and tokens. Tokens are kept as digests.
type book struct {
	ttl  time.Duration
	now  func() time.Time
	path string

	mu     sync.Mutex
	kept   kept
	codes  map[string]*code
	access map[string]*access
}

// kept is the part that outlives a restart.
type kept struct {
	ClientID     string              `json:"client_id"`
	ClientSecret string              `json:"client_secret"`
	Password     string              `json:"password"`
	Refresh      map[string]*refresh `json:"refresh"` // by digest
}

// refresh is one refresh token. It is good until it is revoked.
type refresh struct {
	User    string    `json:"user"`
	Scopes  []string  `json:"scopes"`
	Issued  time.Time `json:"issued"`
	Revoked bool      `json:"revoked"`
}

type access struct {
	user   string
	scopes []string
	until  time.Time
	parent string // digest of the refresh token
	dead   bool
	conns  map[net.Conn]struct{}
}

type code struct {
	user, redirect, challenge string
	scopes                    []string
	until                     time.Time
	used                      bool
	issued                    string // digest of the refresh token it was redeemed for
}

const codeLife = 60 * time.Second

func openBook(path string, ttl time.Duration, now func() time.Time) (*book, error) {
	b := &book{ttl: ttl, now: now, path: path, codes: map[string]*code{}, access: map[string]*access{}}
	if path != "" {
		raw, err := os.ReadFile(path)
		switch {
		case err == nil:
			if err := json.Unmarshal(raw, &b.kept); err != nil {
				return nil, err
			}
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	if b.kept.ClientID == "" {
		b.kept.ClientID, b.kept.ClientSecret, b.kept.Password = "postern-sandbox-"+random(4), random(24), "sandbox-"+random(5)
	}
	if b.kept.Refresh == nil {
		b.kept.Refresh = map[string]*refresh{}
	}
	return b, b.save()
}

// save is called with mu held, or before anyone else has the book.
func (b *book) save() error {
	if b.path == "" {
		return nil
	}
	raw, err := json.Marshal(b.kept)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(b.path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(b.path+".new", b.path)
}

func digest(token string) string {
	d := sha256.Sum256([]byte(token))
	return hex.EncodeToString(d[:])
}

func (b *book) password() string { return b.kept.Password }

func (b *book) client() (id, secret string) { return b.kept.ClientID, b.kept.ClientSecret }

func (b *book) isClient(id, secret string) bool {
	i := subtle.ConstantTimeCompare([]byte(id), []byte(b.kept.ClientID))
	return i&subtle.ConstantTimeCompare([]byte(secret), []byte(b.kept.ClientSecret)) == 1
}

// newCode is a fresh authorization code.
func (b *book) newCode(user, redirect, challenge string, scopes []string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, c := range b.codes {
		if b.now().Sub(c.until) > time.Hour {
			delete(b.codes, k)
		}
	}
	value := random(24)
	b.codes[digest(value)] = &code{user: user, redirect: redirect, challenge: challenge, scopes: scopes, until: b.now().Add(codeLife)}
	return value
}

// issue is a token answer.
type issue struct {
	access, refresh string
	scopes          []string
}

// redeem turns a code into tokens, once. why is the reason of a refusal. A code that comes a second time ends what it was first
// redeemed for: someone has copied it (RFC 6749 section 4.1.2).
func (b *book) redeem(value, redirect, verifier string) (i issue, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.codes[digest(value)]
	switch {
	case c == nil:
		return i, "the code is unknown"
	case c.used:
		b.end(c.issued)
		return i, "the code was used before"
	}
	c.used = true
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case !b.now().Before(c.until):
		return i, "the code has expired"
	case c.redirect != redirect:
		return i, "the redirect URI is another one than before"
	case subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(c.challenge)) != 1:
		return i, "the code verifier does not match"
	}
	i.refresh, i.scopes = "sbr-"+random(24), c.scopes
	c.issued = digest(i.refresh)
	b.kept.Refresh[c.issued] = &refresh{User: c.user, Scopes: c.scopes, Issued: b.now().UTC()}
	i.access = b.newAccess(c.issued)
	_ = b.save()
	return i, ""
}

func (b *book) newAccess(parent string) string {
	for k, a := range b.access {
		if a.dead || b.now().Sub(a.until) > time.Hour {
			delete(b.access, k)
		}
	}
	r := b.kept.Refresh[parent]
	value := "sba-" + random(24)
	b.access[digest(value)] = &access{user: r.User, scopes: r.Scopes, until: b.now().Add(b.ttl), parent: parent, conns: map[net.Conn]struct{}{}}
	return value
}

func (b *book) renew(value string) (i issue, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.kept.Refresh[digest(value)]
	switch {
	case r == nil:
		return i, "the refresh token is unknown"
	case r.Revoked:
		return i, "the refresh token was revoked"
	}
	return issue{access: b.newAccess(digest(value)), scopes: r.Scopes}, ""
}

// revoke withdraws the permission that a refresh token stands for: every token of this person, those of earlier consents included, as Google does
// (developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke). An access token ends alone. An unknown token is no error (RFC 7009 section 2.2).
func (b *book) revoke(value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := digest(value)
	if r := b.kept.Refresh[d]; r != nil {
		for other, x := range b.kept.Refresh {
			if x.User == r.User {
				b.end(other)
			}
		}
	}
	if a := b.access[d]; a != nil {
		a.kill()
	}
}

// end is called with mu held.
func (b *book) end(refreshDigest string) {
	r := b.kept.Refresh[refreshDigest]
	if r == nil {
		return
	}
	r.Revoked = true
	for _, a := range b.access {
		if a.parent == refreshDigest {
			a.kill()
		}
	}
	_ = b.save()
}

func (a *access) kill() {
	a.dead = true
	for c := range a.conns {
		_ = c.Close()
	}
	a.conns = nil
}

func (b *book) alive(user string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.kept.Refresh {
		if r.User == user && !r.Revoked {
			return true
		}
	}
	return false
}

// check says whom an access token speaks for, and with what scopes. nil means that it is not good.
func (b *book) check(value string) *access {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.access[digest(value)]
	if a == nil || a.dead || !b.now().Before(a.until) {
		return nil
	}
	return a
}

// live is check for a token that was good before.
func (b *book) live(a *access) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !a.dead && b.now().Before(a.until)
}

// hold ties a connection to a token, so that it ends with it.
func (b *book) hold(a *access, c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.dead {
		return false
	}
	a.conns[c] = struct{}{}
	return true
}

func (b *book) release(a *access, c net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(a.conns, c)
}

func (a *access) may(scope string) bool {
	for _, s := range a.scopes {
		if s == scope {
			return true
		}
	}
	return false
}
