package verifications

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strconv"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// PauseSource puts the sender off: until it is resumed, calls are answered 503 and a sender that retries loses nothing. Pausing what is paused, or
// resuming what is not, changes nothing.
func (s *Service) PauseSource(ctx context.Context, actor models.Actor, id models.EndpointID, paused bool) (models.InboundEndpoint, error) {
	return s.change(ctx, actor, id, func(tx *store.Tx, e *models.InboundEndpoint) error {
		if paused == (e.PausedAt != nil) {
			return nil
		}
		action := "source.resume"
		e.PausedAt = nil
		if paused {
			at := s.now()
			action, e.PausedAt = "source.pause", &at
		}
		if err := tx.ChangeInboundEndpoint(*e); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, entry(action, *e, nil))
	})
}

// NewSecret makes a secret for a sender that lets its secret be chosen: 32 random bytes, in the spelling of the kind.
func NewSecret(kind string) secret.Text {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails; it ends the process instead
	text := base64.StdEncoding.EncodeToString(raw[:])
	if kind == KindStandard {
		return secret.New(secretPrefix + text)
	}
	return secret.New(base64.RawURLEncoding.EncodeToString(raw[:]))
}

// errFetch is a sender that did not tell its addresses.
var errFetch = fault.New(fault.Invalid, "source_addresses_unavailable", "The sender did not tell its addresses: the server cannot be reached, or it does not know the key. Nothing was changed. They can also be typed in.").At("server")

// FetchAddresses asks a v3 sender where its deliveries come from (GET /v3/webhooks/ip-addresses) and makes these the allowlist. The key is used for this
// one question and not kept. A sender that names none is a fault: an empty list would let everybody in.
func (s *Service) FetchAddresses(ctx context.Context, actor models.Actor, id models.EndpointID, server string, key secret.Text) (models.InboundEndpoint, error) {
	d, err := s.FindSource(ctx, actor, id)
	switch {
	case err != nil:
		return d.Endpoint, err
	case d.Endpoint.Kind == selfKind:
		return d.Endpoint, errSelf
	case d.Endpoint.Kind != KindV3:
		return d.Endpoint, fault.New(fault.Invalid, "source_addresses_unavailable", "Only a v3 sender has a place to ask. Type the addresses in.").At("server")
	}
	list, err := s.ask(ctx, server, key) // no connection to the database is held meanwhile
	if err != nil {
		return d.Endpoint, err
	}
	return s.change(ctx, actor, id, func(tx *store.Tx, e *models.InboundEndpoint) error {
		if e.Addresses, err = readAddresses(list); err != nil {
			return errFetch.Because(err)
		}
		if err := tx.ChangeInboundEndpoint(*e); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, entry("source.fetch_addresses", *e, map[string]string{"addresses": strconv.Itoa(len(e.Addresses))}))
	})
}
