package verifications

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/postern-mail/postern/models"
)

// mostNotices bounds the notifications of one push.
const mostNotices = 1000

// lifecycle are what Microsoft says of a subscription itself (https://learn.microsoft.com/graph/change-notifications-lifecycle-events).
var lifecycle = map[string]bool{"reauthorizationRequired": true, "subscriptionRemoved": true, "missed": true}

// PushMicrosoft takes change and lifecycle notifications of Microsoft Graph. They are not signed: the proof is the clientState that each of them repeats, compared in constant time,
// and one that lacks it refuses the whole push. The tokens of rich notifications are not looked at, and nothing rests on them: Postern asks for none.
func (s *Service) PushMicrosoft(ctx context.Context, r PushRequest) (models.Verification, error) {
	if s.push.MicrosoftState.Empty() {
		return s.unconfigured(ctx, r)
	}
	return s.receivePush(ctx, r, microsoftEndpoint, microsoftSource, func(_ context.Context, body []byte, _ time.Time) (push, error) {
		outer, err := readObject(body)
		var list []json.RawMessage
		if err != nil || json.Unmarshal(outer["value"], &list) != nil || len(list) == 0 || len(list) > mostNotices {
			return push{reason: NotJSON}, nil
		}
		reason, kinds, mailboxes := OK, []string{}, map[string]bool{}
		for _, one := range list {
			n, err := readObject(one)
			if err != nil {
				return push{reason: NotJSON}, nil
			}
			// All are compared, whatever the first says: the answer takes as long for a good list as for a bad one.
			switch state := words(n["clientState"]); {
			case state == "" && reason == OK:
				reason = MissingSignature
			case !sameState(state, s.push.MicrosoftState.Reveal()):
				reason = WrongSecret
			}
			kind := words(n["changeType"])
			if event := words(n["lifecycleEvent"]); event != "" {
				if kind = event; !lifecycle[event] {
					return push{reason: NotJSON}, nil
				}
			}
			kinds = append(kinds, kind)
			if mailbox := mailboxOf(words(n["resource"])); mailbox != "" {
				mailboxes[mailbox] = true
			}
		}
		if reason != OK {
			return push{reason: reason}, nil
		}
		if kind := "graph." + kinds[0]; printable(kind) {
			return s.microsoftPush(body, kind, mailboxes), nil
		}
		return push{reason: NotJSON}, nil
	})
}

func (s *Service) microsoftPush(body []byte, kind string, mailboxes map[string]bool) push {
	// A push has no id. Its bytes are one: Microsoft's next attempt brings the same.
	sum := sha256.Sum256(body)
	p := push{reason: OK, kind: kind, id: hex.EncodeToString(sum[:16]), signature: sum[:]}
	if s.push.Wake != nil && len(mailboxes) > 0 {
		p.effect = func(ctx context.Context) error {
			for mailbox := range mailboxes {
				s.push.Wake(ctx, "microsoft", mailbox)
			}
			return nil
		}
	}
	return p
}

// sameState compares in constant time, whatever the lengths.
func sameState(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// mailboxOf is the user in Users/{id}/Messages/{id}, in lower case; empty where there is none.
func mailboxOf(resource string) string {
	parts := strings.Split(strings.Trim(resource, "/"), "/")
	if len(parts) < 2 || !strings.EqualFold(parts[0], "users") || !printable(parts[1]) {
		return ""
	}
	return strings.ToLower(parts[1])
}
