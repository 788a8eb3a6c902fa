package webhooks

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Draft is a webhook that somebody asks for.
type Draft struct {
	Application        models.ApplicationID // staff say it; a program's is its own
	Tenant             models.TenantID      // zero: events of all tenants
	URL, Description   string
	TriggerTypes       []string
	NotificationEmails []string
	Compressed         bool
	Standard           bool          // sign by Standard Webhooks too
	Overlap            time.Duration // of rotations that name none; 0: the old secret ends at once, as in the v3 API
}

// Create makes a webhook after its address has answered the challenge, once. The secret is returned here and never again.
// Faults: webhook_unverified, application_required, webhooks_full, and Invalid ones that name their field.
func (s *Service) Create(ctx context.Context, actor models.Actor, d Draft) (models.Webhook, secret.Text, error) {
	var none secret.Text
	w, err := s.draft(actor, d)
	if err != nil {
		return w, none, err
	}
	if err := s.room(ctx, w.ApplicationID); err != nil {
		return w, none, err
	}
	if err := s.challenge(ctx, w.URL); err != nil {
		return w, none, err
	}
	at := s.now()
	w.ID, w.CreatedAt, w.UpdatedAt, w.StatusAt = models.NewID[models.WebhookID](at), at, at, at
	key, err := s.add(ctx, actor, w)
	return w, key, err
}

// add writes a webhook whose address was verified, with its first secret. The secret is sealed first, in the platform's own space: a webhook
// without its secret must never be seen by a worker, while a sealed value without its webhook opens nothing.
func (s *Service) add(ctx context.Context, actor models.Actor, w models.Webhook) (secret.Text, error) {
	row := models.WebhookSecret{ApplicationID: w.ApplicationID, ID: models.NewID[models.WebhookSecretID](w.CreatedAt), WebhookID: w.ID, Generation: 1, ValidFrom: w.CreatedAt}
	key := newSecret()
	if err := s.seal(ctx, row.ID, key); err != nil {
		return secret.Text{}, err
	}
	err := s.store.InApplication(ctx, w.ApplicationID, func(tx *store.Tx) error {
		if !w.SelfCheck {
			// The lock on the application makes the count below hold for everybody who creates at once.
			if _, err := tx.ApplicationForUpdate(w.ApplicationID); err != nil {
				return err
			}
			if n, err := tx.CountWebhooks(w.ApplicationID); err != nil || n >= mostWebhooks {
				return orFull(err)
			}
		}
		if err := tx.InsertWebhook(w); err != nil {
			return fmt.Errorf("add a webhook: %w", err)
		}
		if err := tx.InsertWebhookSecret(row); err != nil {
			return fmt.Errorf("add the secret of webhook %s: %w", w.ID, err)
		}
		return s.audit.Append(ctx, tx, actor, entry("webhook.create", w, map[string]string{
			"trigger_types": strings.Join(w.TriggerTypes, " "), "compressed": strconv.FormatBool(w.Compressed), "standard": strconv.FormatBool(w.Standard)}))
	})
	if err != nil {
		s.unseal(ctx, row.ID)
		return secret.Text{}, err
	}
	return key, nil
}

func orFull(err error) error {
	if err != nil {
		return err
	}
	return errFull
}

// room asks early, so that nobody is challenged for nothing. add asks again, under a lock.
func (s *Service) room(ctx context.Context, application models.ApplicationID) error {
	return s.store.InApplication(ctx, application, func(tx *store.Tx) error {
		if _, err := tx.Application(application); err != nil {
			return err
		}
		if n, err := tx.CountWebhooks(application); err != nil || n >= mostWebhooks {
			return orFull(err)
		}
		return nil
	})
}

// draft turns what was asked for into a row, or says what is wrong with it.
func (s *Service) draft(actor models.Actor, d Draft) (models.Webhook, error) {
	w := models.Webhook{ApplicationID: d.Application, URL: d.URL, Description: strings.TrimSpace(d.Description), Compressed: d.Compressed, Standard: d.Standard,
		Status: models.WebhookActive, OverlapSeconds: int(d.Overlap / time.Second)}
	tenant := d.Tenant
	switch {
	case actor.Platform():
		if d.Application.IsZero() {
			return w, errApplication
		}
	case actor.Kind == models.ActorKey && !actor.Application.IsZero():
		w.ApplicationID = actor.Application
		if !actor.Tenant.IsZero() {
			tenant = actor.Tenant // a key of one tenant cannot ask for the events of others
		}
	default:
		return w, errDenied
	}
	if !tenant.IsZero() {
		w.TenantID = &tenant
	}
	if _, err := s.checkURL(d.URL); err != nil {
		return w, err
	}
	var err error
	if w.TriggerTypes, err = checkTriggers(d.TriggerTypes); err != nil {
		return w, err
	}
	if w.NotificationEmails, err = checkEmails(d.NotificationEmails); err != nil {
		return w, err
	}
	if err := checkDescription(w.Description); err != nil {
		return w, err
	}
	return w, checkOverlap(d.Overlap)
}

func checkTriggers(names []string) (models.Strings, error) {
	if len(names) == 0 {
		return nil, errTriggers("Name at least one type of event.")
	}
	out := models.Strings{}
	for _, name := range names {
		if !KnownTrigger(name) {
			return nil, errTriggers("%s is not a type of event that Postern knows. grant.created is one.", quoted(name))
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

func errTriggers(public string, args ...any) error {
	return fault.New(fault.Invalid, "webhook_trigger_types_invalid", public, args...).At("trigger_types")
}

// quoted repeats a caller's word, cut to what fits in a sentence.
func quoted(word string) string {
	if len(word) > 60 {
		word = strings.ToValidUTF8(word[:60], "") + "..."
	}
	return strconv.QuoteToASCII(word)
}

func checkEmails(addresses []string) (models.Strings, error) {
	bad := func(public string) error {
		return fault.New(fault.Invalid, "webhook_emails_invalid", public).At("notification_email_addresses")
	}
	if len(addresses) > 10 {
		return nil, bad("Ten addresses at most can be told of failures.")
	}
	out := models.Strings{}
	for _, text := range addresses {
		a, err := mail.ParseAddress(text)
		if err != nil || a.Address != text || len(text) > 320 {
			return nil, bad("One of the addresses to be told of failures is not an email address. Give them bare, like ada@example.com.")
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out, nil
}

func checkDescription(text string) error {
	if utf8.RuneCountInString(text) > 500 || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return fault.New(fault.Invalid, "webhook_description_invalid", "The description may have 500 characters at most.").At("description")
	}
	return nil
}

func checkOverlap(d time.Duration) error {
	if d < 0 || d > maxOverlap {
		return errOverlap
	}
	return nil
}

// newSecret is 192 random bits in 32 characters that survive every shell and form.
func newSecret() secret.Text {
	var b [24]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it ends the process instead
	return secret.New(base64.RawURLEncoding.EncodeToString(b[:]))
}

func owner(id models.WebhookSecretID) sealed.Owner {
	return sealed.Owner{Kind: sealed.WebhookSecretOwner, ID: id.String()}
}

func (s *Service) seal(ctx context.Context, id models.WebhookSecretID, key secret.Text) error {
	return s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		return s.safe.Put(ctx, tx, models.PlatformSpace, owner(id), "secret", key)
	})
}

// unseal destroys a sealed secret whose webhook did not come about. It belongs to nothing, so a failure leaves no way in; it is logged.
func (s *Service) unseal(ctx context.Context, id models.WebhookSecretID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.destroy(ctx, id); err != nil {
		s.log.WarnContext(ctx, "a sealed secret without a webhook stays behind", "secret", id, "error", err)
	}
}

func (s *Service) destroy(ctx context.Context, id models.WebhookSecretID) error {
	return s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		_, err := s.safe.Destroy(ctx, tx, models.PlatformSpace, owner(id))
		return err
	})
}
