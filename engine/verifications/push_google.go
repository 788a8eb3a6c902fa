package verifications

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/models"
)

// The issuers of Google's id tokens, and the one of its security event tokens (https://developers.google.com/identity/protocols/risc).
var googleIssuers = []string{"https://accounts.google.com", "accounts.google.com"}

const riscIssuer = "https://accounts.google.com/"

// mostSETAge is how old a security event may be: Google tries for some days.
const mostSETAge = 14 * 24 * time.Hour

// PushGoogle takes a push of Gmail through Cloud Pub/Sub (https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions): the proof is an id token of
// Google for the configured audience and service account. It does not sign the body; the connection's encryption keeps the two together.
func (s *Service) PushGoogle(ctx context.Context, r PushRequest) (models.Verification, error) {
	if s.push.GoogleAudience == "" || s.push.GoogleAccount == "" {
		return s.unconfigured(ctx, r)
	}
	return s.receivePush(ctx, r, googleEndpoint, googleSource, func(ctx context.Context, body []byte, now time.Time) (push, error) {
		token, reason := bearer(r.Header)
		if reason != "" {
			return push{reason: reason}, nil
		}
		c, reason, err := readToken(ctx, s.googleKeys, token, "jwt")
		switch {
		case err != nil || reason != "":
			return push{reason: reason}, err
		case !slices.Contains(googleIssuers, c.issuer) || !slices.Equal(c.audience, []string{s.push.GoogleAudience}) || c.email != s.push.GoogleAccount || !c.verified:
			return push{reason: WrongClaims}, nil
		case !c.timely(now):
			return push{reason: Stale}, nil
		}
		return s.readPubSub(body, c), nil
	})
}

// readPubSub reads the wrapped message strictly. What it says of the mailbox is a hint to look there, nothing more.
func (s *Service) readPubSub(body []byte, c claims) push {
	outer, err := readObject(body)
	if err != nil {
		return push{reason: NotJSON}
	}
	message, err := readObject(outer["message"])
	if err != nil {
		return push{reason: NotJSON}
	}
	p := push{reason: OK, id: words(message["messageId"]), kind: "gmail.changed", signature: c.signature}
	data, err := base64.StdEncoding.DecodeString(words(message["data"]))
	if err != nil || !printable(p.id) {
		return push{reason: NotJSON}
	}
	if at, err := time.Parse(time.RFC3339, words(message["publishTime"])); err == nil {
		p.at = at
	}
	var hint struct {
		Address string `json:"emailAddress"`
	}
	if json.Unmarshal(data, &hint) == nil && hint.Address != "" && s.push.Wake != nil {
		p.effect = func(ctx context.Context) error {
			s.push.Wake(ctx, "google", strings.ToLower(hint.Address))
			return nil
		}
	}
	return p
}

// The security events that end the app's access, and what they mean. Others are logged and have no effect.
var cuts = map[string]string{
	"https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked":    "tokens_revoked",
	"https://schemas.openid.net/secevent/risc/event-type/account-disabled":   "account_disabled",
	"https://schemas.openid.net/secevent/risc/event-type/account-purged":     "account_purged",
	"https://schemas.openid.net/secevent/risc/event-type/sessions-revoked":   "", // of the person's browsers: our access stands
	"https://schemas.openid.net/secevent/risc/event-type/account-enabled":    "",
	"https://schemas.openid.net/secevent/oauth/event-type/token-revoked":     "", // names a token by its hash, and no person
	"https://schemas.openid.net/secevent/risc/event-type/verification":       "",
	"https://schemas.openid.net/secevent/risc/event-type/account-credential": "",
}

// PushRISC takes a security event token of Google (RFC 8417, delivered as in RFC 8935): its signature covers all of it. Such a token has no expiry; its id is
// remembered, so that it counts once.
func (s *Service) PushRISC(ctx context.Context, r PushRequest) (models.Verification, error) {
	if len(s.push.RISCAudiences) == 0 {
		return s.unconfigured(ctx, r)
	}
	return s.receivePush(ctx, r, riscEndpoint, googleSource, func(ctx context.Context, body []byte, now time.Time) (push, error) {
		c, reason, err := readToken(ctx, s.googleKeys, strings.TrimSpace(string(body)), "jwt", "secevent+jwt")
		switch {
		case err != nil || reason != "":
			return push{reason: reason}, err
		case c.issuer != riscIssuer && !slices.Contains(googleIssuers, c.issuer) || !slices.ContainsFunc(c.audience, func(a string) bool { return slices.Contains(s.push.RISCAudiences, a) }):
			return push{reason: WrongClaims}, nil
		case c.issued.IsZero() || c.issued.After(now.Add(tokenSkew)) || now.Sub(c.issued) > mostSETAge || !c.expires.IsZero() && !now.Before(c.expires.Add(tokenSkew)):
			return push{reason: Stale}, nil
		case !printable(c.id) || len(c.events) != 1:
			return push{reason: NotJSON}, nil
		}
		p := push{reason: OK, id: c.id, at: c.issued, signature: c.signature}
		for name, value := range c.events {
			p.kind = name[strings.LastIndexByte(name, '/')+1:]
			if !printable(p.kind) {
				return push{reason: NotJSON}, nil
			}
			subject, cause := subjectOf(value), cuts[name]
			if cause != "" && subject != "" && s.push.Cut != nil {
				p.effect = func(ctx context.Context) error { return s.push.Cut(ctx, "google", subject, cause, c.issued) }
			}
		}
		return p, nil
	})
}

// subjectOf reads whom an event is about: the id by which Google names them to our app. An address is not taken: it is no identity.
func subjectOf(event json.RawMessage) string {
	outer, err := readObject(event)
	if err != nil {
		return ""
	}
	subject, err := readObject(outer["subject"])
	if err != nil || !slices.Contains([]string{"iss-sub", "iss_sub", "id_token_claims", "id_token_claims_sub"}, words(subject["subject_type"])) || words(subject["iss"]) != riscIssuer && !slices.Contains(googleIssuers, words(subject["iss"])) {
		return ""
	}
	if sub := words(subject["sub"]); printable(sub) {
		return sub
	}
	return ""
}
