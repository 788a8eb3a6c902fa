package webhooks

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// The headers of Standard Webhooks (specification 1.0, "Webhook Headers"). Id and timestamp are part of what is signed, so that a
// captured call cannot be sent again later as another one.
const (
	StandardID        = "Webhook-Id"
	StandardTimestamp = "Webhook-Timestamp"
	StandardSignature = "Webhook-Signature"
)

// The prefixes of the scheme's keys: a shared secret, a public key.
const (
	secretPrefix = "whsec_"
	publicPrefix = "whpk_"
)

// errDot refuses what would let two different calls have the same signed text: id.timestamp.body must be split in one way only.
var errDot = errors.New("an id or a timestamp of Standard Webhooks is empty or has a dot")

// signedText is what the scheme signs.
func signedText(id, timestamp string, body []byte) ([]byte, error) {
	if id == "" || timestamp == "" || strings.Contains(id, ".") || strings.Contains(timestamp, ".") {
		return nil, errDot
	}
	return append([]byte(id+"."+timestamp+"."), body...), nil
}

// StandardSecret spells a webhook's secret as the libraries of Standard Webhooks take it: whsec_ and the key in base64. It is the same key.
func StandardSecret(key secret.Text) secret.Text {
	return secret.New(secretPrefix + base64.StdEncoding.EncodeToString([]byte(key.Reveal())))
}

// standardHeaders are the headers beside the v3 one; nil where the webhook did not ask for them. All secrets in force sign, each with a signature
// of its own, and so does the webhook's Ed25519 key.
func (s *Service) standardHeaders(p *parcel, body []byte, at time.Time) (http.Header, error) {
	if !p.hook.Standard {
		return nil, nil
	}
	id, timestamp := p.delivery.EventID.String(), strconv.FormatInt(at.Unix(), 10)
	text, err := signedText(id, timestamp, body)
	if err != nil {
		return nil, err
	}
	signatures := make([]string, 0, len(p.keys)+1)
	for _, k := range p.keys {
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(sign(k.value, text)))
	}
	if s.signing != nil {
		key, err := s.pair(p.hook.ID)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(key, text)))
	}
	return http.Header{StandardID: {id}, StandardTimestamp: {timestamp}, StandardSignature: {strings.Join(signatures, " ")}}, nil
}

// pair derives the webhook's own Ed25519 key. With one key for all webhooks, whoever gets an event could hand it on to another receiver, which
// would take it for its own: the address is not part of what is signed.
func (s *Service) pair(id models.WebhookID) (ed25519.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, s.signing.Seed(), nil, "postern webhook "+id.String(), ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive the signing key of webhook %s: %w", id, err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// errNoPublicKey is answered where no key signs.
var errNoPublicKey = fault.New(fault.NotFound, "webhook_public_key_absent", "This webhook has no public key: it is not signed by Standard Webhooks.")

// PublicKey is the key with which a receiver verifies the v1a signatures of this webhook, as whpk_ and base64. It is no secret.
func (s *Service) PublicKey(ctx context.Context, actor models.Actor, id models.WebhookID) (string, error) {
	text := ""
	err := s.look(ctx, actor, id, func(_ *store.Tx, w models.Webhook) (err error) {
		text, err = s.publicKey(w)
		return err
	})
	return text, err
}

// PublishedKey is PublicKey for anybody who knows the webhook's id.
func (s *Service) PublishedKey(ctx context.Context, id models.WebhookID) (string, error) {
	text := ""
	err := s.store.OnPlatform(ctx, "publish a webhook's public key", func(tx *store.Tx) error {
		w, err := tx.WebhookOnPlatform(id)
		if err == nil {
			text, err = s.publicKey(w)
		}
		return err
	})
	return text, err
}

func (s *Service) publicKey(w models.Webhook) (string, error) {
	if !w.Standard || s.signing == nil {
		return "", errNoPublicKey
	}
	key, err := s.pair(w.ID)
	if err != nil {
		return "", err
	}
	public, _ := key.Public().(ed25519.PublicKey)
	return publicPrefix + base64.StdEncoding.EncodeToString(public), nil
}
