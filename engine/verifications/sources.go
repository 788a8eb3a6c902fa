package verifications

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// What callers are told of sources.
var (
	errSources   = fault.New(fault.Denied, "sources_denied", "Where events come in is set by the company's staff.")
	errKind      = fault.New(fault.Invalid, "source_kind_invalid", "A source is of the kind v3 or standard.").At("kind")
	errName      = fault.New(fault.Invalid, "source_name_invalid", "Give the source a name of 1 to 100 characters.").At("name")
	errAddresses = fault.New(fault.Invalid, "source_addresses_invalid", "One of the addresses cannot be read. Give IP addresses or ranges like 192.0.2.0/24, at most 200.").At("addresses")
	errSelf      = fault.New(fault.Conflict, "source_self_check", "This is Postern's own endpoint, with which it checks its signatures. Its secret is that of its webhook.")
	errDisabled  = fault.New(fault.Gone, "source_disabled", "This source is disabled and its secrets are destroyed. Make a new one.")
	errWindowFor = fault.New(fault.Invalid, "source_window_invalid", "A rotation window lasts from 0 seconds to 10 minutes.").At("window")
	errOverlap   = fault.New(fault.Invalid, "source_overlap_invalid", "An overlap lasts from 0 seconds to 7 days.").At("overlap")
	errSameKey   = fault.New(fault.Invalid, "source_secret_same", "This secret is in use already. Enter the new one.").At("secret")
)

const (
	maxOverlap    = 7 * 24 * time.Hour
	maxRotation   = 10 * time.Minute // longer, and a sender may give up
	mostAddresses = 200
	afterlife     = 7 * 24 * time.Hour // of an ended secret, to name the mistake of who still uses it
)

// SourceDraft is a source that somebody asks for.
type SourceDraft struct {
	Application models.ApplicationID
	Tenant      models.TenantID // zero: events of all tenants, or of none in particular
	Name, Kind  string          // Kind: KindV3 or KindStandard
	Secret      secret.Text     // that of the sender; for KindStandard whsec_...
	Addresses   []string        // IP addresses and ranges that calls may come from; empty: any
}

// SourceChange is what is to be different. An empty Name and nil Addresses keep what is there.
type SourceChange struct {
	Name      string
	Addresses *[]string
}

// Rotation is a new secret of a sender.
type Rotation struct {
	Secret  secret.Text
	Overlap time.Duration // how long the one before still counts; 0 to 7 days
	Staged  bool          // the sender does not use it yet: both count, and the overlap begins at the first genuine call under it
}

// SourceDetail is an endpoint with the generations of its secret, the newest first; for Postern's own there are none here.
type SourceDetail struct {
	Endpoint models.InboundEndpoint
	Secrets  []models.InboundSecret
}

// CreateSource makes an endpoint for a sender. Its address is /hooks/ and its id. Faults: source_kind_invalid, source_name_invalid,
// source_addresses_invalid, source_secret_invalid, and not found for an application or tenant that is not there.
func (s *Service) CreateSource(ctx context.Context, actor models.Actor, d SourceDraft) (models.InboundEndpoint, error) {
	at := s.now()
	e := models.InboundEndpoint{ID: models.NewID[models.EndpointID](at), ApplicationID: d.Application, Name: strings.TrimSpace(d.Name), Kind: d.Kind, CreatedAt: at}
	if !actor.Platform() {
		return e, errSources
	}
	if d.Kind != KindV3 && d.Kind != KindStandard {
		return e, errKind
	}
	if !d.Tenant.IsZero() {
		e.TenantID = &d.Tenant
	}
	var err error
	if e.Addresses, err = readAddresses(d.Addresses); err != nil {
		return e, err
	}
	if err := checkName(e.Name); err != nil {
		return e, err
	}
	if err := checkSecret(d.Secret, d.Kind); err != nil {
		return e, err
	}
	return e, s.withSecret(ctx, d.Secret, at, func(tx *store.Tx, id models.WebhookSecretID) error {
		if err := s.belongs(tx, d); err != nil {
			return err
		}
		if err := tx.InsertInboundEndpoint(e); err != nil {
			return fmt.Errorf("add an inbound endpoint: %w", err)
		}
		if err := tx.InsertInboundSecret(models.InboundSecret{EndpointID: e.ID, ID: id, Generation: 1, ValidFrom: at}); err != nil {
			return fmt.Errorf("add the secret of endpoint %s: %w", e.ID, err)
		}
		return s.audit.Append(ctx, tx, actor, entry("source.create", e, map[string]string{"kind": e.Kind, "addresses": strconv.Itoa(len(e.Addresses))}))
	})
}

// belongs says whether application and tenant exist.
func (s *Service) belongs(tx *store.Tx, d SourceDraft) error {
	if _, err := tx.Application(d.Application); err != nil {
		return err
	}
	if d.Tenant.IsZero() {
		return nil
	}
	_, err := tx.Tenant(d.Tenant)
	return err
}

// ListSources lists the endpoints of an application, or all of them where it is zero, the newest first.
func (s *Service) ListSources(ctx context.Context, actor models.Actor, application models.ApplicationID) ([]models.InboundEndpoint, error) {
	if !actor.Platform() {
		return nil, errSources
	}
	var out []models.InboundEndpoint
	err := s.store.OnPlatform(ctx, "list inbound endpoints for staff", func(tx *store.Tx) (err error) {
		out, err = tx.InboundEndpoints(application)
		return err
	})
	return out, err
}

// FindSource reads one endpoint.
func (s *Service) FindSource(ctx context.Context, actor models.Actor, id models.EndpointID) (SourceDetail, error) {
	var d SourceDetail
	if !actor.Platform() {
		return d, errSources
	}
	err := s.store.OnPlatform(ctx, "read an inbound endpoint for staff", func(tx *store.Tx) (err error) {
		if d.Endpoint, err = tx.AnyInboundEndpoint(id); err != nil {
			return err
		}
		d.Secrets, err = tx.InboundSecrets(id)
		return err
	})
	return d, err
}

// UpdateSource changes name and allowlist.
func (s *Service) UpdateSource(ctx context.Context, actor models.Actor, id models.EndpointID, c SourceChange) (models.InboundEndpoint, error) {
	return s.change(ctx, actor, id, func(tx *store.Tx, e *models.InboundEndpoint) error {
		before, name := *e, strings.TrimSpace(c.Name)
		if name != "" {
			if err := checkName(name); err != nil {
				return err
			}
			e.Name = name
		}
		if c.Addresses != nil {
			list, err := readAddresses(*c.Addresses)
			if err != nil {
				return err
			}
			e.Addresses = list
		}
		if err := tx.ChangeInboundEndpoint(*e); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, entry("source.update", *e, map[string]string{
			"name_changed": strconv.FormatBool(before.Name != e.Name), "addresses_changed": strconv.FormatBool(strings.Join(before.Addresses, " ") != strings.Join(e.Addresses, " "))}))
	})
}

// OpenWindow declares that the sender's secret is being rotated: for that long a call that no known secret explains is answered 503, and the
// sender tries again. 0 ends it.
func (s *Service) OpenWindow(ctx context.Context, actor models.Actor, id models.EndpointID, window time.Duration) (models.InboundEndpoint, error) {
	if window < 0 || window > maxRotation {
		return models.InboundEndpoint{}, errWindowFor
	}
	return s.change(ctx, actor, id, func(tx *store.Tx, e *models.InboundEndpoint) error {
		until := s.now().Add(window)
		if e.WindowUntil = &until; window == 0 {
			e.WindowUntil = nil
		}
		if err := tx.ChangeInboundEndpoint(*e); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, entry("source.rotation_window", *e, map[string]string{"window": window.String()}))
	})
}

// DisableSource ends an endpoint for good: calls are answered as if there were none, and its secrets are destroyed.
func (s *Service) DisableSource(ctx context.Context, actor models.Actor, id models.EndpointID) (models.InboundEndpoint, error) {
	e, err := s.change(ctx, actor, id, func(tx *store.Tx, e *models.InboundEndpoint) error {
		at := s.now()
		e.DisabledAt, e.WindowUntil = &at, nil
		if err := tx.ChangeInboundEndpoint(*e); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, entry("source.disable", *e, nil))
	})
	if err != nil {
		return e, err
	}
	if err := s.sweep(ctx); err != nil {
		// The endpoint is dead already. The hourly job destroys what is left.
		s.log.WarnContext(ctx, "the secrets of a disabled source are still sealed", "endpoint", id, "error", err)
	}
	return e, nil
}

// change runs fn with the endpoint's row locked. Postern's own and a disabled one are not changed.
func (s *Service) change(ctx context.Context, actor models.Actor, id models.EndpointID, fn func(*store.Tx, *models.InboundEndpoint) error) (models.InboundEndpoint, error) {
	var e models.InboundEndpoint
	if !actor.Platform() {
		return e, errSources
	}
	err := s.store.OnPlatform(ctx, "change an inbound endpoint for staff", func(tx *store.Tx) (err error) {
		if e, err = tx.InboundEndpointForUpdate(id); err != nil {
			return err
		}
		switch {
		case e.Kind == selfKind:
			return errSelf
		case e.DisabledAt != nil:
			return errDisabled
		}
		return fn(tx, &e)
	})
	return e, err
}

// entry is the audit entry of an act on e.
func entry(action string, e models.InboundEndpoint, detail map[string]string) audit.Entry {
	out := audit.Entry{Action: action, Application: e.ApplicationID, ObjectKind: "source", ObjectID: e.ID.String(), Object: e.Name, Detail: detail}
	if e.TenantID != nil {
		out.Tenant = *e.TenantID
	}
	return out
}

func checkName(name string) error {
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > 100 || strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		return errName
	}
	return nil
}

// checkSecret refuses what verifies nothing, or next to everything: an empty or a guessable secret.
func checkSecret(text secret.Text, kind string) error {
	bad := func(public string) error {
		return fault.New(fault.Invalid, "source_secret_invalid", public).At("secret")
	}
	value := text.Reveal()
	if kind == KindStandard {
		if _, ok := standardKey(text); !ok {
			return bad("A secret of Standard Webhooks is whsec_ and 24 to 64 bytes in base64, as the sender shows it.")
		}
		return nil
	}
	if len(value) < 16 || len(value) > 200 || strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return bad("The secret must be 16 to 200 letters, digits and signs without spaces, as the sender shows it.")
	}
	return nil
}

// readAddresses reads and spells the allowlist: what cannot be read is refused here, because it would let nobody in later.
func readAddresses(list []string) (models.Strings, error) {
	out := models.Strings{}
	for _, text := range list {
		text = strings.TrimSpace(text)
		p, err := netip.ParsePrefix(text)
		if err != nil {
			one, err := netip.ParseAddr(text)
			if err != nil || one.Zone() != "" {
				return nil, errAddresses
			}
			one = one.Unmap()
			p = netip.PrefixFrom(one, one.BitLen())
		}
		if spelled := p.Masked().String(); !slices.Contains(out, spelled) {
			out = append(out, spelled)
		}
	}
	if len(out) > mostAddresses {
		return nil, errAddresses
	}
	return out, nil
}
