package verifications

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// source is an endpoint with what its sender may sign with.
type source struct {
	endpoint models.InboundEndpoint
	keys     []Key
}

// find gives the endpoint and its secrets as they are now: a rotation in another process holds from the next call on.
func (s *Service) find(ctx context.Context, text string) (source, error) {
	id, err := models.ParseID[models.EndpointID](text)
	if err != nil {
		return source{}, store.ErrNotFound
	}
	out, found, err := s.lookups.ask(ctx, id)
	switch {
	case err != nil:
		return out, fmt.Errorf("find inbound endpoint: %w", err)
	case !found:
		return out, store.ErrNotFound
	}
	return out, nil
}

// sealedKey is a secret still in the vault.
type sealedKey struct {
	key    Key
	id     models.WebhookSecretID
	counts bool
}

// lookup reads a load of endpoints.
func (s *Service) lookup(ctx context.Context, asked map[models.EndpointID]int) (map[models.EndpointID]source, error) {
	ids := make(models.Strings, 0, len(asked))
	for id := range asked {
		ids = append(ids, id.String())
	}
	found := map[models.EndpointID]source{}
	closed := map[models.EndpointID][]sealedKey{}
	err := s.store.OnPlatform(ctx, "an inbound call names an endpoint, not a tenant", func(tx *store.Tx) error {
		clear(found)
		clear(closed)
		endpoints, err := tx.InboundEndpointsIn(ids)
		if err != nil {
			return err
		}
		foreign := models.Strings{}
		for _, e := range endpoints {
			found[e.ID] = source{endpoint: e}
			if e.WebhookID == nil {
				foreign = append(foreign, e.ID.String())
				continue
			}
			rows, err := tx.WebhookSecrets(e.ApplicationID, *e.WebhookID)
			if err != nil {
				return err
			}
			for _, row := range rows {
				closed[e.ID] = append(closed[e.ID], sealedKey{Key{Generation: row.Generation, Until: row.ValidUntil}, row.ID, row.Signs(s.now())})
			}
		}
		if len(foreign) == 0 {
			return nil
		}
		rows, err := tx.InboundSecretsIn(foreign)
		for _, row := range rows {
			closed[row.EndpointID] = append(closed[row.EndpointID],
				sealedKey{Key{Generation: row.Generation, Until: row.ValidUntil, Staged: row.Staged}, row.ID, row.Counts(s.now())})
		}
		return err
	})
	if err != nil || len(closed) == 0 {
		return found, err
	}
	return found, s.open(ctx, found, closed)
}

// open takes the secrets out of the vault, all in one round trip: those that count, and the latest that ended. One whose sealed value is gone is left out.
func (s *Service) open(ctx context.Context, found map[models.EndpointID]source, closed map[models.EndpointID][]sealedKey) error {
	var wanted []string
	for id, rows := range closed {
		ended := 0
		closed[id] = slices.DeleteFunc(rows, func(row sealedKey) bool {
			if !row.counts {
				ended++
			}
			return !row.counts && ended > endedKeys
		})
		for _, row := range closed[id] {
			wanted = append(wanted, row.id.String())
		}
	}
	opened, err := s.safe.OpenAcross(ctx, s.store, sealed.WebhookSecretOwner, "secret", map[models.TenantID][]string{models.PlatformSpace: wanted})
	if err != nil {
		return fmt.Errorf("open the secrets of %d endpoints: %w", len(closed), err)
	}
	ours := opened[models.PlatformSpace]
	if ours.Gone || len(ours.Later) > 0 {
		return errors.New("the secrets of endpoints do not open")
	}
	for id, rows := range closed {
		of := found[id]
		of.keys = nil
		for _, row := range rows {
			if value, there := ours.Values[row.id.String()]; there {
				row.key.Secret = usable(value, of.endpoint.Kind)
				of.keys = append(of.keys, row.key)
			}
		}
		found[id] = of
	}
	return nil
}

// usable is the key of HMAC that a secret stands for. What cannot be read as one is empty, and an empty key verifies nothing.
func usable(value secret.Text, kind string) secret.Text {
	if kind != KindStandard {
		return value
	}
	key, _ := standardKey(value)
	return key
}

// owner is whose value a secret is. The secrets of inbound endpoints are kept with those of webhooks: their ids come from one space.
func owner(id models.WebhookSecretID) sealed.Owner {
	return sealed.Owner{Kind: sealed.WebhookSecretOwner, ID: id.String()}
}
