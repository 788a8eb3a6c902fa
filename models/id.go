package models

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ID names one row of the noun N. Two ids of different nouns are different types, so that swapped arguments do not compile.
// Values are UUIDv7 (RFC 9562 section 5.7): they sort by the time they were made. An id is not a secret and grants nothing.
type ID[N any] [16]byte

// The nouns. A type without values is enough to keep the ids apart.
type (
	tenantNoun       struct{}
	applicationNoun  struct{}
	callbackNoun     struct{}
	connectorNoun    struct{}
	apiKeyNoun       struct{}
	serviceNoun      struct{}
	memberNoun       struct{}
	membershipNoun   struct{}
	passkeyNoun      struct{}
	linkNoun         struct{}
	flowNoun         struct{}
	grantNoun        struct{}
	familyNoun       struct{}
	tokenNoun        struct{}
	severanceNoun    struct{}
	receiptNoun      struct{}
	webhookNoun      struct{}
	secretNoun       struct{}
	eventNoun        struct{}
	deliveryNoun     struct{}
	attemptNoun      struct{}
	replayNoun       struct{}
	endpointNoun     struct{}
	verificationNoun struct{}
	auditNoun        struct{}
	rotationNoun     struct{}
	passNoun         struct{}
	packNoun         struct{}
	documentNoun     struct{}
	accessNoun       struct{}
	credentialNoun   struct{}
	offboardingNoun  struct{}
	batchNoun        struct{}
	keeperNoun       struct{}
)

// The ids, one type a noun.
type (
	TenantID         = ID[tenantNoun]
	ApplicationID    = ID[applicationNoun]
	CallbackID       = ID[callbackNoun]
	ConnectorID      = ID[connectorNoun]
	APIKeyID         = ID[apiKeyNoun]
	ServiceAccountID = ID[serviceNoun]
	MemberID         = ID[memberNoun]
	MembershipID     = ID[membershipNoun]
	PasskeyID        = ID[passkeyNoun]
	LinkID           = ID[linkNoun]
	FlowID           = ID[flowNoun]
	GrantID          = ID[grantNoun]
	FamilyID         = ID[familyNoun]
	TokenID          = ID[tokenNoun]
	SeveranceID      = ID[severanceNoun]
	ReceiptID        = ID[receiptNoun]
	WebhookID        = ID[webhookNoun]
	WebhookSecretID  = ID[secretNoun]
	EventID          = ID[eventNoun]
	DeliveryID       = ID[deliveryNoun]
	AttemptID        = ID[attemptNoun]
	ReplayID         = ID[replayNoun]
	EndpointID       = ID[endpointNoun]
	VerificationID   = ID[verificationNoun]
	AuditID          = ID[auditNoun]
	RotationID       = ID[rotationNoun]
	PassID           = ID[passNoun]
	PackID           = ID[packNoun]
	DocumentID       = ID[documentNoun]
	AccessID         = ID[accessNoun]
	CredentialID     = ID[credentialNoun]
	OffboardingID    = ID[offboardingNoun]
	BatchID          = ID[batchNoun]
	KeeperID         = ID[keeperNoun]
)

// PlatformSpace is the tenant id under which the platform's own secrets are sealed: connector and webhook secrets belong
// to no customer. No row of tenants has it.
var PlatformSpace TenantID

// ErrBadID says that a text is not an id. It carries no part of the text.
var ErrBadID = errors.New("not an id: 36 characters, lower-case hexadecimal with four hyphens")

// NewID makes an id that sorts by at. at is cut to milliseconds.
func NewID[I ~[16]byte](at time.Time) I {
	var b [16]byte
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	_, _ = rand.Read(b[6:]) // crypto/rand.Read never fails; it ends the process instead
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return I(b)
}

// DigestID makes an id that sorts by at, like NewID, and is the same whenever it is made of the same digest, which has at least 10 bytes.
func DigestID[I ~[16]byte](at time.Time, digest []byte) I {
	b := FloorID[I](at)
	copy(b[6:], digest[:10])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return b
}

// FloorID is the least id that NewID makes at that time or later: ids below it are older. It names no row.
func FloorID[I ~[16]byte](at time.Time) I {
	var b [16]byte
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	return I(b)
}

// ParseID reads the 36-character form. Upper-case digits are refused, so that an id has one spelling.
func ParseID[I ~[16]byte](text string) (I, error) {
	var b [16]byte
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return I(b), ErrBadID
	}
	for i := range len(text) {
		if c := text[i]; c >= 'A' && c <= 'F' {
			return I(b), ErrBadID
		}
	}
	at := 0
	for _, span := range [][2]int{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, 36}} {
		n, err := hex.Decode(b[at:], []byte(text[span[0]:span[1]]))
		if err != nil {
			return I([16]byte{}), ErrBadID
		}
		at += n
	}
	return I(b), nil
}

// String gives the 36-character form.
func (id ID[N]) String() string {
	var out [36]byte
	hex.Encode(out[:8], id[:4])
	hex.Encode(out[9:13], id[4:6])
	hex.Encode(out[14:18], id[6:8])
	hex.Encode(out[19:23], id[8:10])
	hex.Encode(out[24:], id[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// At is the millisecond in which the id was made.
func (id ID[N]) At() time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// IsZero says whether the id names nothing.
func (id ID[N]) IsZero() bool { return id == ID[N]{} }

// MarshalText implements encoding.TextMarshaler.
func (id ID[N]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID[N]) UnmarshalText(text []byte) error {
	parsed, err := ParseID[ID[N]](string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// Value implements driver.Valuer.
func (id ID[N]) Value() (driver.Value, error) { return id.String(), nil }

// Scan implements sql.Scanner.
func (id *ID[N]) Scan(from any) error {
	switch v := from.(type) {
	case string:
		return id.UnmarshalText([]byte(v))
	case []byte:
		if len(v) == 16 {
			copy(id[:], v)
			return nil
		}
		return id.UnmarshalText(v)
	case [16]byte:
		*id = v
		return nil
	default:
		return fmt.Errorf("an id cannot be read from %T", from)
	}
}

// GormDataType tells gorm which column type an id has.
func (ID[N]) GormDataType() string { return "uuid" }
