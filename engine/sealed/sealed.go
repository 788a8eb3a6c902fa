package sealed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// The owners of sealed fields.
const (
	GrantOwner         = "grant"
	FlowOwner          = "connect_flow"
	SeveranceOwner     = "severance"
	ConnectorOwner     = "connector"
	CredentialOwner    = "credential"
	WebhookSecretOwner = "webhook_secret"
	EventOwner         = "event"
	DocumentOwner      = "document"
	ScheduleOwner      = store.ScheduleOwner
	WatchOwner         = store.WatchOwner
)

// fields is the registry: whatever is sealed stands here, so that rotation, checking and shredding cannot forget a field.
var fields = map[string][]string{
	GrantOwner:         {"access_token", "refresh_token", "password"},
	FlowOwner:          {"verifier", "access_token", "refresh_token", "password"},
	SeveranceOwner:     {"access_token", "refresh_token", "password"},
	ConnectorOwner:     {"client_secret", "client_secret_before"},
	CredentialOwner:    {"client_secret"},
	WebhookSecretOwner: {"secret"},
	EventOwner:         {"payload"},
	DocumentOwner:      {"content"},
	ScheduleOwner:      append([]string{"draft"}, schedulePieces()...),
	WatchOwner:         {"position"},
}

// SchedulePiece is how much of a scheduled message's files is sealed at once, so that sealing 25 MB does not take 25 MB of memory.
const SchedulePiece = 1 << 20

// SchedulePieceField names the field of the piece that is n-th, from 0. A message has at most 40.
func SchedulePieceField(n int) string { return fmt.Sprintf("content_%02d", n) }

func schedulePieces() []string {
	out := make([]string, 40)
	for n := range out {
		out[n] = SchedulePieceField(n)
	}
	return out
}

// Fields is a copy of the registry: owner kind to fields.
func Fields() map[string][]string {
	out := make(map[string][]string, len(fields))
	for kind, names := range fields {
		out[kind] = slices.Clone(names)
	}
	return out
}

// ErrAbsent says that nothing is sealed there.
var ErrAbsent = fault.New(fault.NotFound, "sealed_value_absent", "There is no stored secret for this any more.")

// errShredded says that the tenant's key was destroyed: what was sealed under it is gone for good.
var errShredded = fault.New(fault.Gone, "tenant_key_destroyed", "The key of this organisation was destroyed. Nothing that was sealed under it can be read again.")

// Owner is whose field is sealed.
type Owner struct{ Kind, ID string }

// Safe puts secrets away and takes them out. It is safe for concurrent use.
type Safe struct {
	vault *vault.Vault
	now   func() time.Time
}

// New joins a vault to the store.
func New(v *vault.Vault, now func() time.Time) *Safe { return &Safe{vault: v, now: now} }

// Put seals value as the owner's field, in place of what was there. A field that is not in the registry is a programmer's mistake.
func (s *Safe) Put(ctx context.Context, tx *store.Tx, tenant models.TenantID, o Owner, field string, value secret.Text) error {
	if !slices.Contains(fields[o.Kind], field) {
		return fmt.Errorf("%s.%s is not in the registry of sealed fields", o.Kind, field)
	}
	key, err := s.key(ctx, tx, tenant, true)
	if err != nil {
		return err
	}
	version, err := tx.NextSealedVersion(tenant, o.Kind, o.ID, field)
	if err != nil {
		return fmt.Errorf("seal %s.%s: %w", o.Kind, field, err)
	}
	ciphertext, err := s.vault.Seal(key, place(tenant, o, field, version), value)
	if err != nil {
		return err
	}
	err = tx.PutSealed(store.Sealed{TenantID: tenant, OwnerKind: o.Kind, OwnerID: o.ID, Field: field, Version: version, Ciphertext: ciphertext, CreatedAt: s.now().UTC()})
	if err != nil {
		return fmt.Errorf("seal %s.%s: %w", o.Kind, field, err)
	}
	return nil
}

// Open gives the owner's field, or ErrAbsent.
func (s *Safe) Open(ctx context.Context, tx *store.Tx, tenant models.TenantID, o Owner, field string) (secret.Text, error) {
	for again := true; ; again = false {
		row, err := tx.Sealed(tenant, o.Kind, o.ID, field)
		if errors.Is(err, store.ErrNotFound) {
			return secret.Text{}, ErrAbsent
		}
		if err != nil {
			return secret.Text{}, fmt.Errorf("open %s.%s: %w", o.Kind, field, err)
		}
		key, err := s.key(ctx, tx, tenant, false)
		if err != nil {
			return secret.Text{}, err
		}
		value, err := s.vault.Open(key, place(tenant, o, field, row.Version), row.Ciphertext)
		if err == nil || !again {
			return value, err
		}
		// Between the two reads a rotation may have sealed the value anew and dropped the key it was under: what is there now opens.
	}
}

// Move gives a field to another owner: it is sealed anew for its new place and destroyed in the old one. ErrAbsent when there is none.
func (s *Safe) Move(ctx context.Context, tx *store.Tx, tenant models.TenantID, from, to Owner) (int, error) {
	names, err := tx.SealedFields(tenant, from.Kind, from.ID)
	if err != nil {
		return 0, fmt.Errorf("list what %s sealed: %w", from.Kind, err)
	}
	for _, field := range names {
		if !slices.Contains(fields[to.Kind], field) {
			continue // a verifier has no meaning outside its flow
		}
		value, err := s.Open(ctx, tx, tenant, from, field)
		if err != nil {
			return 0, err
		}
		if err := s.Put(ctx, tx, tenant, to, field, value); err != nil {
			return 0, err
		}
	}
	return s.Destroy(ctx, tx, tenant, from)
}

// Destroy deletes all that the owner sealed and says how many fields there were.
func (s *Safe) Destroy(_ context.Context, tx *store.Tx, tenant models.TenantID, o Owner) (int, error) {
	n, err := tx.DeleteSealed(tenant, o.Kind, o.ID)
	if err != nil {
		return 0, fmt.Errorf("destroy what %s sealed: %w", o.Kind, err)
	}
	return n, nil
}

// DestroyField destroys one field. None is no error.
func (s *Safe) DestroyField(_ context.Context, tx *store.Tx, tenant models.TenantID, o Owner, field string) error {
	if err := tx.DeleteSealedField(tenant, o.Kind, o.ID, field); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("destroy %s.%s: %w", o.Kind, field, err)
	}
	return nil
}

// key reads the tenant's data key, and makes the first one where there is none. The database is asked every time, so that a key that was
// destroyed in another process is not used here from memory. To seal, it is held: see store.DataKeyForSealing.
func (s *Safe) key(ctx context.Context, tx *store.Tx, tenant models.TenantID, hold bool) (vault.WrappedKey, error) {
	read := tx.DataKey
	if hold {
		read = tx.DataKeyForSealing
	}
	row, err := read(tenant)
	if errors.Is(err, store.ErrNotFound) {
		row, err = s.firstKey(ctx, tx, tenant)
	}
	if err != nil {
		return vault.WrappedKey{}, fmt.Errorf("read the data key of a tenant: %w", err)
	}
	if row.DestroyedAt != nil {
		s.vault.Forget(tenant.String())
		return vault.WrappedKey{}, errShredded
	}
	return wrappedOf(row), nil
}

func wrappedOf(row store.DataKey) vault.WrappedKey {
	return vault.WrappedKey{Tenant: row.TenantID.String(), ID: row.ID, KEKID: row.KEKID, Wrapped: row.Wrapped}
}

func (s *Safe) firstKey(_ context.Context, tx *store.Tx, tenant models.TenantID) (store.DataKey, error) {
	made, err := s.vault.NewKey(tenant.String(), models.NewID[models.EventID](s.now()).String())
	if err != nil {
		return store.DataKey{}, err
	}
	use, err := s.vault.InUse(made)
	if err != nil {
		return store.DataKey{}, err
	}
	row := store.DataKey{TenantID: tenant, ID: made.ID, KEKID: made.KEKID, Wrapped: made.Wrapped, KeyID: int64(use), CreatedAt: s.now().UTC()}
	first, err := tx.InsertDataKey(row)
	if err != nil || first {
		return row, err
	}
	return tx.DataKeyForSealing(tenant)
}

func place(tenant models.TenantID, o Owner, field string, version int) vault.Place {
	return vault.Place{Tenant: tenant.String(), Table: "sealed/" + o.Kind, Column: field, Row: o.ID, Version: version}
}
