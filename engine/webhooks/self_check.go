package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// EnsureSelfCheck makes sure that an application's grant events are also sent to Postern's own receiver, over real HTTP: the running proof that
// what is signed verifies. It is idempotent, across processes too. It is called after the server listens, because the address is challenged like
// any other, and again later when it fails.
func (s *Service) EnsureSelfCheck(ctx context.Context, application models.ApplicationID, baseURL string) (models.Webhook, models.InboundEndpoint, error) {
	endpoint, err := s.selfEndpoint(ctx, application)
	if err != nil {
		return models.Webhook{}, endpoint, err
	}
	address, err := url.JoinPath(strings.TrimSuffix(baseURL, "/"), "hooks", endpoint.ID.String())
	if err != nil {
		return models.Webhook{}, endpoint, fmt.Errorf("make the self-check's address: %w", err)
	}
	hook, err := s.selfWebhook(ctx, application, *endpoint.WebhookID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if err = s.challenge(ctx, address); err != nil {
			break
		}
		at := s.now()
		hook = models.Webhook{ApplicationID: application, ID: *endpoint.WebhookID, URL: address, Description: "Postern's own check of its signatures",
			TriggerTypes: grantTriggers(), NotificationEmails: models.Strings{}, SelfCheck: true, Status: models.WebhookActive, StatusAt: at, CreatedAt: at, UpdatedAt: at}
		_, err = s.add(ctx, models.System("self-check"), hook)
		if errors.Is(err, store.ErrTaken) { // another process was first
			hook, err = s.selfWebhook(ctx, application, hook.ID)
		}
	case err == nil && hook.URL != address:
		hook, err = s.moveSelf(ctx, hook, address)
	}
	return hook, endpoint, err
}

func grantTriggers() models.Strings {
	out := models.Strings{}
	for _, t := range triggers {
		if t.Group == "grant" {
			out = append(out, t.Name)
		}
	}
	return out
}

// selfEndpoint finds or makes the endpoint. It names its webhook's id before that exists, so that two processes agree on it.
func (s *Service) selfEndpoint(ctx context.Context, application models.ApplicationID) (models.InboundEndpoint, error) {
	var endpoint models.InboundEndpoint
	err := s.store.OnPlatform(ctx, "the self-check's endpoint belongs to no tenant", func(tx *store.Tx) (err error) {
		endpoint, err = tx.SelfEndpoint(application)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		at := s.now()
		hook := models.NewID[models.WebhookID](at)
		if _, err = tx.InsertSelfEndpoint(models.InboundEndpoint{ID: models.NewID[models.EndpointID](at), ApplicationID: application, Name: "Self-check",
			Kind: "self", WebhookID: &hook, CreatedAt: at}); err != nil {
			return err
		}
		endpoint, err = tx.SelfEndpoint(application)
		return err
	})
	if err == nil && endpoint.WebhookID == nil {
		err = errors.New("the self-check's endpoint names no webhook")
	}
	return endpoint, err
}

func (s *Service) selfWebhook(ctx context.Context, application models.ApplicationID, id models.WebhookID) (models.Webhook, error) {
	var hook models.Webhook
	err := s.store.InApplication(ctx, application, func(tx *store.Tx) (err error) {
		hook, err = tx.Webhook(application, id)
		return err
	})
	return hook, err
}

// moveSelf follows a changed base URL.
func (s *Service) moveSelf(ctx context.Context, hook models.Webhook, address string) (models.Webhook, error) {
	if err := s.challenge(ctx, address); err != nil {
		return hook, err
	}
	actor := models.System("self-check")
	err := s.within(ctx, actor, hook.ID, func(tx *store.Tx, w models.Webhook) error {
		w.URL, w.UpdatedAt = address, s.now()
		hook = w
		return errors.Join(tx.ChangeWebhook(w), s.audit.Append(ctx, tx, actor, entry("webhook.update", w, map[string]string{"changed": "webhook_url", "status": string(w.Status)})))
	})
	return hook, err
}
