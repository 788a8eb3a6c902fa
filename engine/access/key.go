package access

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Key is what a new API key may do.
type Key struct {
	Application models.ApplicationID
	Tenant      models.TenantID     // zero: every tenant of the application
	Name        string              // for people
	Permissions []models.Permission // empty: all that a key can hold
	Addresses   []string            // CIDRs or single addresses; empty: from anywhere
	Life        time.Duration       // zero: until it is revoked
}

const mostKeyLife = 5 * 366 * 24 * time.Hour

var errKeys = fault.New(fault.Denied, "keys_denied", "Only an owner or admin manages API keys.")

func mayManageKeys(a models.Actor) error {
	if a.Kind == models.ActorSystem || a.Platform() && a.May(models.ManageKeys) {
		return nil
	}
	return errKeys
}

// mayReachKeys lets a service account do one thing with the keys of its own application, and everybody who manages keys do everything. Another application's keys are not there.
func mayReachKeys(a models.Actor, application models.ApplicationID, p models.Permission) error {
	if a.Kind != models.ActorService {
		return mayManageKeys(a)
	}
	if application != a.Application {
		return store.ErrNotFound
	}
	if !a.May(p) {
		return fault.New(fault.Denied, "permission_missing", "This service account may not do that: it lacks %s.", p)
	}
	return nil
}

// CreateKey makes an API key. The secret is returned here and never again: only its hash is kept.
func (s *Service) CreateKey(ctx context.Context, actor models.Actor, k Key) (models.APIKey, secret.Text, error) {
	if err := mayReachKeys(actor, k.Application, models.CreateAPIKeys); err != nil {
		return models.APIKey{}, secret.Text{}, err
	}
	at := s.now().UTC()
	row := models.APIKey{ApplicationID: k.Application, ID: models.NewID[models.APIKeyID](at), Name: strings.TrimSpace(k.Name),
		CreatedBy: actor.Label, CreatedAt: at}
	if err := checkKey(&row, k); err != nil {
		return models.APIKey{}, secret.Text{}, err
	}
	value := secret.New("postern_" + s.region + "_" + newSecret().Reveal())
	row.Hash = hashOf(value)
	row.Prefix = value.Reveal()[:len("postern_")+len(s.region)+1+6] // six characters of 43: enough to recognise, nothing to guess from
	err := s.store.OnPlatform(ctx, "create an API key", func(tx *store.Tx) error {
		app, err := tx.Application(k.Application)
		if err != nil {
			return fault.New(fault.Invalid, "application_unknown", "Choose one of the applications.").At("application").Because(err)
		}
		if row.TenantID != nil {
			if _, err := tx.Tenant(*row.TenantID); err != nil {
				return fault.New(fault.Invalid, "tenant_unknown", "Choose one of the tenants.").At("tenant").Because(err)
			}
		}
		if err := tx.InsertAPIKey(row); err != nil {
			return err
		}
		return s.recordKey(ctx, tx, actor, "api_key.create", row, map[string]string{"application": app.Name,
			"permissions": strings.Join(row.Permissions, " "), "addresses": strings.Join(row.Addresses, " ")})
	})
	return row, value, err
}

func checkKey(row *models.APIKey, k Key) (err error) {
	if row.Permissions, row.Addresses, row.ExpiresAt, err = narrowed("key", row.Name, k.Permissions, models.KeyPermissions(), k.Addresses, k.Life, row.CreatedAt); err != nil {
		return err
	}
	if !k.Tenant.IsZero() {
		row.TenantID = &k.Tenant
	}
	return nil
}

// narrowed checks what keys and service accounts have in common, and gives their limits as they are kept. what names the thing in the fault's words.
func narrowed(what, name string, asked, may []models.Permission, from []string, life time.Duration, now time.Time) (permissions, networks models.Strings, until *time.Time, err error) {
	if name == "" || utf8.RuneCountInString(name) > 200 {
		return nil, nil, nil, fault.New(fault.Invalid, "name_invalid", "Give the %s a name of 1 to 200 characters.", what).At("name")
	}
	permissions, networks = models.Strings{}, models.Strings{}
	for _, p := range asked {
		if !slices.Contains(may, p) {
			return nil, nil, nil, fault.New(fault.Invalid, "permission_invalid", "A %s cannot hold one of these permissions.", what).At("permission")
		}
		if !slices.Contains(permissions, string(p)) {
			permissions = append(permissions, string(p))
		}
	}
	prefixes, err := ParseAddresses(from)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, p := range prefixes {
		networks = append(networks, p.String())
	}
	if life < 0 || life > mostKeyLife {
		return nil, nil, nil, fault.New(fault.Invalid, "expiry_invalid", "A %s lasts five years at most.", what).At("expires")
	}
	if life > 0 {
		end := now.Add(life)
		until = &end
	}
	return permissions, networks, until, nil
}

// ParseAddresses reads CIDRs and single addresses. An IPv4 address inside IPv6 (::ffff:…) is refused with any prefix: a short one would
// quietly cover all of IPv4.
func ParseAddresses(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, errAddr := netip.ParseAddr(text)
			if errAddr != nil || addr.Zone() != "" {
				return nil, fault.New(fault.Invalid, "addresses_invalid", "Write one address or network a line, such as 192.0.2.7 or 198.51.100.0/24.").At("addresses")
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if prefix.Addr().Is4In6() {
			return nil, fault.New(fault.Invalid, "addresses_invalid", "Write IPv4 networks as IPv4, such as 198.51.100.0/24, without ::ffff:.").At("addresses")
		}
		out = append(out, prefix.Masked())
	}
	if len(out) > 100 {
		return nil, fault.New(fault.Invalid, "addresses_invalid", "A key takes at most 100 addresses and networks.").At("addresses")
	}
	return out, nil
}

// Keys lists the keys of an application, of all when it is zero: those in force first. It gives at most 500.
func (s *Service) Keys(ctx context.Context, actor models.Actor, application models.ApplicationID) ([]models.APIKey, error) {
	if err := mayReachKeys(actor, application, models.ReadAPIKeys); err != nil {
		return nil, err
	}
	var rows []models.APIKey
	err := s.store.OnPlatform(ctx, "list API keys", func(tx *store.Tx) (err error) {
		rows, err = tx.APIKeys(application, 500)
		return err
	})
	return rows, err
}

// CountKeys counts the keys in force of each application.
func (s *Service) CountKeys(ctx context.Context, actor models.Actor) (map[models.ApplicationID]int, error) {
	if err := mayManageKeys(actor); err != nil {
		return nil, err
	}
	var counts map[models.ApplicationID]int
	err := s.store.OnPlatform(ctx, "count API keys", func(tx *store.Tx) (err error) {
		counts, err = tx.CountAPIKeys()
		return err
	})
	return counts, err
}

// Key reads one key.
func (s *Service) Key(ctx context.Context, actor models.Actor, id models.APIKeyID) (models.APIKey, error) {
	var row models.APIKey
	err := s.store.OnPlatform(ctx, "read an API key", func(tx *store.Tx) (err error) {
		if row, err = tx.AnyAPIKey(id); err != nil {
			return err
		}
		return mayReachKeys(actor, row.ApplicationID, models.ReadAPIKeys)
	})
	if err != nil {
		return models.APIKey{}, err
	}
	return row, nil
}

// RevokeKey ends a key: the next request that shows it is refused here, and on every other node within KeyStanding.
func (s *Service) RevokeKey(ctx context.Context, actor models.Actor, id models.APIKeyID) (models.APIKey, error) {
	var row models.APIKey
	err := s.store.OnPlatform(ctx, "revoke an API key", func(tx *store.Tx) (err error) {
		if row, err = tx.AnyAPIKey(id); err != nil {
			return err
		}
		if err := mayReachKeys(actor, row.ApplicationID, models.DeleteAPIKeys); err != nil {
			return err
		}
		if row.RevokedAt != nil {
			return fault.New(fault.Conflict, "key_already_revoked", "This key was revoked already.")
		}
		if err := tx.MarkAPIKeyRevoked(row.ApplicationID, id, s.now().UTC()); err != nil {
			return err
		}
		return s.recordKey(ctx, tx, actor, "api_key.revoke", row, nil)
	})
	s.keys.forget(id) // whatever became of it: a commit may have been reported as broken
	return row, err
}

func (s *Service) recordKey(ctx context.Context, tx *store.Tx, actor models.Actor, action string, k models.APIKey, detail map[string]string) error {
	entry := audit.Entry{Action: action, Application: k.ApplicationID, ObjectKind: "api_key", ObjectID: k.ID.String(), Object: keyLabel(k), Detail: detail}
	if k.TenantID != nil {
		entry.Tenant = *k.TenantID
	}
	return s.audit.Append(ctx, tx, actor, entry)
}

func keyLabel(k models.APIKey) string { return fmt.Sprintf("%s (%s…)", k.Name, k.Prefix) }
