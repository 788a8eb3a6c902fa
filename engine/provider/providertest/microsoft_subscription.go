package providertest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// microsoftSubscription is one subscription ("subscription resource type").
type microsoftSubscription struct {
	id, client, resource, changes, address, lifecycle, state string
	account                                                  *MicrosoftAccount
	expires                                                  time.Time
}

// longestSubscription is what Microsoft takes for mail.
const longestSubscription = 10_080 * time.Minute

func (s *microsoftSubscription) shown() map[string]any {
	var lifecycle any
	if s.lifecycle != "" {
		lifecycle = s.lifecycle
	}
	return map[string]any{"id": s.id, "resource": s.resource, "applicationId": s.client, "changeType": s.changes, "clientState": nil, "notificationUrl": s.address, "lifecycleNotificationUrl": lifecycle,
		"expirationDateTime": s.expires.Format(time.RFC3339), "creatorId": s.account.Object, "includeResourceData": nil, "latestSupportedTlsVersion": "v1_2"}
}

// subscriptionsCall serves /subscriptions. A person's token shows those alone that this app made for this person.
func (k *graphCall) subscriptionsCall(path []string) error {
	k.expireSubscriptions()
	if len(path) == 0 {
		switch k.r.Method {
		case http.MethodGet:
			if k.r.URL.RawQuery != "" {
				return graphBad("BadRequest", "this list takes no query options")
			}
			all := []any{}
			for _, s := range k.subs {
				if s.account == k.account {
					all = append(all, s.shown())
				}
			}
			return k.ok(200, map[string]any{"@odata.context": k.http.URL + "/v1.0/$metadata#subscriptions", "value": all})
		case http.MethodPost:
			return k.subscribe()
		}
		return errGraphSegment
	}
	i := slices.IndexFunc(k.subs, func(s *microsoftSubscription) bool { return s.id == path[0] && s.account == k.account })
	if i < 0 {
		return &microsoftRefusal{404, "ResourceNotFound", "The object was not found."}
	}
	s := k.subs[i]
	switch k.r.Method + " " + strings.Join(path[1:], "/") {
	case "GET ":
		return k.ok(200, s.shown())
	case "DELETE ":
		k.subs = slices.Delete(k.subs, i, i+1)
		k.w.WriteHeader(http.StatusNoContent)
		return nil
	case "POST reauthorize":
		k.w.WriteHeader(http.StatusNoContent)
		return nil
	case "PATCH ":
		var in map[string]string
		if err := k.read(&in); err != nil {
			return err
		}
		for name := range in {
			if name != "expirationDateTime" && name != "notificationUrl" {
				return graphBad("InvalidRequest", name+" cannot be updated")
			}
		}
		until, err := k.expiry(in["expirationDateTime"])
		if err != nil {
			return err
		}
		s.expires = until
		return k.ok(200, s.shown())
	}
	return errGraphSegment
}

func (k *graphCall) expiry(text string) (time.Time, error) {
	until, err := time.Parse(time.RFC3339, text)
	if err != nil || !until.After(k.Now()) || until.After(k.Now().Add(longestSubscription)) {
		return until, graphBad("InvalidRequest", "Subscription expiration can only be 10080 minutes in the future.")
	}
	return until, nil
}

func (k *graphCall) subscribe() error {
	var in struct {
		ChangeType, NotificationURL, LifecycleNotificationURL, Resource, ExpirationDateTime, ClientState string
	}
	if err := k.read(&in); err != nil {
		return err
	}
	resource := strings.Trim(in.Resource, "/")
	until, err := k.expiry(in.ExpirationDateTime)
	switch {
	case err != nil:
		return err
	case resource != "me/messages":
		return graphBad("InvalidRequest", "this server knows subscriptions to me/messages alone")
	case !k.mayRead():
		return errGraphAccess
	case len(in.ClientState) > 128:
		return graphBad("InvalidRequest", "clientState is too long")
	}
	for _, kind := range strings.Split(in.ChangeType, ",") {
		if !slices.Contains([]string{"created", "updated", "deleted"}, kind) {
			return graphBad("InvalidRequest", "changeType")
		}
	}
	for i, address := range []string{in.NotificationURL, in.LifecycleNotificationURL} {
		if i == 1 && address == "" {
			continue
		}
		if !strings.HasPrefix(address, "https://") {
			return graphBad("InvalidRequest", "the address has to be https")
		}
		if !k.validates(address) {
			return graphBad("ValidationError", "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.")
		}
	}
	s := &microsoftSubscription{id: microsoftGUID(), client: k.client, account: k.account, resource: in.Resource, changes: in.ChangeType, address: in.NotificationURL, lifecycle: in.LifecycleNotificationURL, state: in.ClientState, expires: until}
	k.subs = append(k.subs, s)
	return k.ok(201, s.shown())
}

// validates asks an address to say a token ("notificationUrl validation"): decoded, as plain text, within ten seconds.
func (s *MicrosoftServer) validates(address string) bool {
	if s.Reach == nil {
		return false
	}
	token := "Validation: Testing client application reachability for subscription " + microsoftGUID() + " <&+%>"
	join := "?"
	if strings.Contains(address, "?") {
		join = "&"
	}
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Post(s.Reach(address)+join+"validationToken="+url.QueryEscape(token), "text/plain; charset=utf-8", nil)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return err == nil && res.StatusCode == http.StatusOK && strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") && string(said) == token
}

func (s *MicrosoftServer) expireSubscriptions() {
	s.subs = slices.DeleteFunc(s.subs, func(x *microsoftSubscription) bool { return !s.Now().Before(x.expires) })
}

// notify sends what happened to a message to whoever subscribed, without waiting. The lock is held.
func (a *MicrosoftAccount) notify(kind string, m *microsoftMessage) {
	s := a.server
	s.expireSubscriptions()
	for _, sub := range s.subs {
		if sub.account != a || !slices.Contains(strings.Split(sub.changes, ","), kind) {
			continue
		}
		id := m.id(true)
		path := "Users/" + a.Object + "/Messages/" + id
		s.post(sub.address, map[string]any{"subscriptionId": sub.id, "subscriptionExpirationDateTime": sub.expires.Format(time.RFC3339), "changeType": kind, "resource": path, "clientState": sub.state, "tenantId": a.Tenant,
			"resourceData": map[string]string{"@odata.type": "#Microsoft.Graph.Message", "@odata.id": path, "@odata.etag": `W/"CQAAABYAAAA"`, "id": id}})
	}
}

// post sends one notification to an address. The lock is held.
func (s *MicrosoftServer) post(address string, notice map[string]any) {
	if s.Reach == nil || s.muted {
		return
	}
	body, _ := json.Marshal(map[string]any{"value": []any{notice}})
	to := s.Reach(address)
	s.posting.Go(func() {
		client := &http.Client{Timeout: 3 * time.Second}
		res, err := client.Post(to, "application/json; charset=utf-8", bytes.NewReader(body))
		if err == nil {
			_ = res.Body.Close()
		}
	})
}

// Lifecycle sends a lifecycle notification to every subscription of a person ("Reduce missing change notifications and removed subscriptions"). subscriptionRemoved removes it.
func (a *MicrosoftAccount) Lifecycle(event string) {
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		if sub.account == a && sub.lifecycle != "" {
			s.post(sub.lifecycle, map[string]any{"subscriptionId": sub.id, "subscriptionExpirationDateTime": sub.expires.Format(time.RFC3339), "tenantId": a.Tenant, "clientState": sub.state, "lifecycleEvent": event})
		}
	}
	if event == "subscriptionRemoved" {
		s.subs = slices.DeleteFunc(s.subs, func(x *microsoftSubscription) bool { return x.account == a })
	}
}

// Mute stops change notifications: Microsoft loses some.
func (s *MicrosoftServer) Mute(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted = on
}

// Subscriptions is when each subscription of a person ends, by its id.
func (a *MicrosoftAccount) Subscriptions() map[string]time.Time {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.server.expireSubscriptions()
	out := map[string]time.Time{}
	for _, s := range a.server.subs {
		if s.account == a {
			out[s.id] = s.expires
		}
	}
	return out
}
