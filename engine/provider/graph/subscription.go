package graph

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	// How long a subscription lasts. Microsoft takes 10,080 minutes for mail, in some clouds 4,230 ("subscription resource type").
	subscribedFor = 4200 * time.Minute
	renewEvery    = 24 * time.Hour
	retryEvery    = 30 * time.Minute // where Microsoft refused, or does not reach us
	mostSubs      = 20               // pages of a list of subscriptions
)

// subscription is what a watch knows of its change notifications.
type subscription struct {
	on bool
	at time.Time // when they were last asked for
}

type wireSubscription struct {
	ID        string    `json:"id,omitempty"`
	Resource  string    `json:"resource,omitempty"`
	Changes   string    `json:"changeType,omitempty"`
	Address   string    `json:"notificationUrl,omitempty"`
	Lifecycle string    `json:"lifecycleNotificationUrl,omitempty"`
	Expires   time.Time `json:"expirationDateTime"`
	State     string    `json:"clientState,omitempty"`
}

// Lapsed implements provider.Pushed. "reauthorizationRequired" and "subscriptionRemoved" are both answered by asking anew ("Reduce missing subscriptions and change
// notifications"): renewing authorizes as well, and what is gone is made.
func (w *watch) Lapsed() { w.lapsed.Store(true) }

// subscribe sees to it that Microsoft sends notifications. They are a hint to look: without them the mailbox is asked more often, so that no trouble here ends the look.
func (w *watch) subscribe(k *call) {
	if w.account.Push == nil {
		return
	}
	now, lapsed := k.c.now(), w.lapsed.Swap(false)
	since := now.Sub(w.notices.at)
	if !lapsed && (since < retryEvery || w.notices.on && since < renewEvery) {
		return
	}
	w.notices = subscription{on: k.subscribe(*w.account.Push, now.Add(subscribedFor)) == nil, at: now}
}

// subscribe renews the mailbox's subscription, or makes one. Another process may have made it before.
func (k *call) subscribe(to provider.Push, until time.Time) error {
	list, err := k.subscriptions(to.Address)
	if err != nil {
		return err
	}
	until = until.UTC().Truncate(time.Second)
	kept := false
	for _, s := range list {
		path := "/subscriptions/" + url.PathEscape(s.ID)
		if !kept && s.Lifecycle == to.Address && k.patch(path, wireSubscription{Expires: until}) == nil {
			kept = true
			continue
		}
		if err := k.unsubscribe(s.ID); err != nil {
			return err
		}
	}
	if kept {
		return nil
	}
	return k.post("/subscriptions", wireSubscription{Resource: "me/messages", Changes: "created,updated,deleted", Address: to.Address, Lifecycle: to.Address, Expires: until, State: to.State.Reveal()}, nil, nil)
}

// subscriptions are those of this app and person that notify an address ("List subscriptions": with a person's token no others are in the list).
func (k *call) subscriptions(address string) ([]wireSubscription, error) {
	var out []wireSubscription
	rawQuery := ""
	for range mostSubs {
		var answer struct {
			Value []wireSubscription `json:"value"`
			Next  string             `json:"@odata.nextLink"`
		}
		if err := k.json(request{method: http.MethodGet, path: "/subscriptions", rawQuery: rawQuery}, &answer); err != nil {
			return nil, err
		}
		for _, s := range answer.Value {
			if s.Address == address && s.ID != "" {
				out = append(out, s)
			}
		}
		if answer.Next == "" {
			break
		}
		var err error
		if rawQuery, err = k.next(answer.Next); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (k *call) unsubscribe(id string) error {
	return found(k.json(request{method: http.MethodDelete, path: "/subscriptions/" + url.PathEscape(id)}, nil))
}

// Silence implements provider.Silencer. It deletes, and then asks whether they are gone.
func (c *Connector) Silence(ctx context.Context, app provider.App, t provider.Token, address string) error {
	access := t.Access
	if access.Empty() || !t.ExpiresAt.IsZero() && c.now().After(t.ExpiresAt.Add(-tokenMargin)) {
		if t.Refresh.Empty() {
			return provider.ErrInvalidGrant
		}
		fresh, err := c.Refresh(ctx, app, t.Refresh)
		if err != nil {
			return err
		}
		access = fresh.Access
	}
	err := c.silence(ctx, access, address)
	if errors.Is(err, provider.ErrCredentialRefused) && !t.Refresh.Empty() {
		// Refused before its time: another may still do.
		fresh, err := c.Refresh(ctx, app, t.Refresh)
		if err != nil {
			return err
		}
		return c.silence(ctx, fresh.Access, address)
	}
	return err
}

func (c *Connector) silence(ctx context.Context, access secret.Text, address string) error {
	k := &call{c: c, ctx: ctx, fixed: access}
	list, err := k.subscriptions(address)
	for _, s := range list {
		err = errors.Join(err, k.unsubscribe(s.ID))
	}
	if err != nil || len(list) == 0 {
		return err
	}
	if list, err = k.subscriptions(address); err == nil && len(list) > 0 {
		return errUpstream.Because(errors.New("a subscription is still there after it was deleted"))
	}
	return err
}
