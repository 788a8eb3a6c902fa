package imapmail

import (
	"errors"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/postern-mail/postern/engine/provider"
)

var errControl = errors.New("a control character in a user name or credential")

// xoauth2 is the SASL mechanism that Google, Microsoft and Yahoo document for their mail servers; it has no RFC.
type xoauth2 struct{ user, token string }

func (x *xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next answers the server's error report, after which it says no. The answer is the dummy of RFC 7628 section 3.2.3: an empty one would go over the wire as
// "=", which servers call a mistake of grammar, and a dead token would look like a passing fault.
func (x *xoauth2) Next([]byte) ([]byte, error) { return []byte{1}, nil }

// mechanism picks how to log in among what the server offers. An empty choice means the LOGIN command, where the protocol has one.
// A nil has means that the server was not asked.
func mechanism(login string, c provider.Credential, has func(mech string) bool) (sasl.Client, error) {
	token, password := c.AccessToken.Reveal(), c.Password.Reveal()
	if strings.ContainsAny(login+token+password, "\r\n\x00\x01") {
		return nil, errControl
	}
	if token != "" {
		if !has("XOAUTH2") && has("OAUTHBEARER") {
			return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: login, Token: token}), nil
		}
		return &xoauth2{login, token}, nil
	}
	switch {
	case has("PLAIN"):
		return sasl.NewPlainClient("", login, password), nil
	case has("LOGIN"):
		return sasl.NewLoginClient(login, password), nil
	}
	return nil, nil
}
