package verifications

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// mostNotices bounds the notifications of one push.
const mostNotices = 1000

// lifecycle are what Microsoft says of a subscription itself (https://learn.microsoft.com/graph/change-notifications-lifecycle-events), and whether its notifications end with
// it. What was missed is found by a look.
var lifecycle = map[string]bool{"reauthorizationRequired": true, "subscriptionRemoved": true, "missed": false}

// MicrosoftPush is where Graph may send what changes in a grant's mailbox; nil where it cannot reach us: it takes https alone, and no address of this machine or network. The grant
// stands in the address so that a list of subscriptions shows whose they are; what proves a push is the state.
func (s *Service) MicrosoftPush(grant models.GrantID) *provider.Push {
	if len(s.push.StateKey) == 0 || !reachable(s.push) {
		return nil
	}
	to := s.push.Base.JoinPath("/push/microsoft")
	to.RawQuery = "grant=" + grant.String()
	return &provider.Push{Address: to.String(), State: secret.New(s.grantState(grant))}
}

func reachable(c PushConfig) bool {
	if c.Base == nil || c.Base.Scheme != "https" {
		return false
	}
	host := strings.ToLower(c.Base.Hostname())
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsGlobalUnicast() && !a.IsPrivate()
	}
	return strings.Contains(host, ".") && !strings.HasSuffix(host, ".localhost") && !strings.HasSuffix(host, ".local") && !strings.HasSuffix(host, ".internal")
}

// grantState is the clientState of a grant's subscription: the grant, and its HMAC. It is 80 characters long, and good for this grant alone.
func (s *Service) grantState(grant models.GrantID) string {
	mac := hmac.New(sha256.New, s.push.StateKey)
	mac.Write([]byte("graph subscription " + grant.String()))
	return grant.String() + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// microsoftProof says whose notification a clientState proves: that of a grant of ours, or of a subscription that somebody else made. All comparisons are in constant time,
// whatever matched.
func (s *Service) microsoftProof(state string) (grant models.GrantID, ours, ok bool) {
	ok = !s.push.MicrosoftState.Empty() && sameState(state, s.push.MicrosoftState.Reveal())
	if len(s.push.StateKey) == 0 {
		return grant, false, ok
	}
	id, _, _ := strings.Cut(state, ".")
	grant, err := models.ParseID[models.GrantID](id)
	ours = sameState(state, s.grantState(grant)) && err == nil
	return grant, ours, ok || ours
}

// PushMicrosoft takes change and lifecycle notifications of Microsoft Graph. They are not signed: the proof is the clientState that each of them repeats, compared in constant time,
// and one that lacks it refuses the whole push. The tokens of rich notifications are not looked at, and nothing rests on them: Postern asks for none.
func (s *Service) PushMicrosoft(ctx context.Context, r PushRequest) (models.Verification, error) {
	if s.push.MicrosoftState.Empty() && len(s.push.StateKey) == 0 {
		return s.unconfigured(ctx, r)
	}
	return s.receivePush(ctx, r, microsoftEndpoint, microsoftSource, func(_ context.Context, body []byte, _ time.Time) (push, error) {
		outer, err := readObject(body)
		var list []json.RawMessage
		if err != nil || json.Unmarshal(outer["value"], &list) != nil || len(list) == 0 || len(list) > mostNotices {
			return push{reason: NotJSON}, nil
		}
		reason, first, found := OK, "", notices{woken: map[string]bool{}, lapsed: map[models.GrantID]bool{}}
		for _, one := range list {
			n, err := readObject(one)
			if err != nil {
				return push{reason: NotJSON}, nil
			}
			// All are compared, whatever the first says: the answer takes as long for a good list as for a bad one.
			state := words(n["clientState"])
			grant, ours, ok := s.microsoftProof(state)
			switch {
			case state == "" && reason == OK:
				reason = MissingSignature
			case !ok:
				reason = WrongSecret
			}
			kind, ends := words(n["changeType"]), false
			if event := words(n["lifecycleEvent"]); event != "" {
				known := false
				if ends, known = lifecycle[event]; !known {
					return push{reason: NotJSON}, nil
				}
				kind = event
			}
			if first == "" {
				first = kind
			}
			switch mailbox := mailboxOf(words(n["resource"])); {
			case ours && ends:
				found.lapsed[grant] = true
			case ours:
				found.woken[grant.String()] = true
			case mailbox != "":
				found.woken[mailbox] = true
			}
		}
		if kind := "graph." + first; reason == OK && printable(kind) {
			return s.microsoftPush(body, kind, found), nil
		}
		if reason == OK {
			reason = NotJSON
		}
		return push{reason: reason}, nil
	})
}

// notices are whom a push concerns.
type notices struct {
	woken  map[string]bool
	lapsed map[models.GrantID]bool
}

func (s *Service) microsoftPush(body []byte, kind string, found notices) push {
	// A push has no id. Its bytes are one: Microsoft's next attempt brings the same.
	sum := sha256.Sum256(body)
	return push{reason: OK, kind: kind, id: hex.EncodeToString(sum[:16]), signature: sum[:], effect: func(ctx context.Context) error {
		for mailbox := range found.woken {
			if s.push.Wake != nil {
				s.push.Wake(ctx, "microsoft", mailbox)
			}
		}
		for grant := range found.lapsed {
			if s.push.Lapse != nil {
				s.push.Lapse(ctx, "microsoft", grant)
			}
		}
		return nil
	}}
}

// sameState compares in constant time, whatever the lengths.
func sameState(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// mailboxOf is the user in Users/{id}/Messages/{id}, in lower case; empty where there is none. Microsoft's documents also show {id}@{tenant}.
func mailboxOf(resource string) string {
	parts := strings.Split(strings.Trim(resource, "/"), "/")
	if len(parts) < 2 || !strings.EqualFold(parts[0], "users") || !printable(parts[1]) {
		return ""
	}
	user := strings.ToLower(parts[1])
	if id, tenant, found := strings.Cut(user, "@"); found && len(id) == 36 && len(tenant) == 36 {
		return id
	}
	return user
}
