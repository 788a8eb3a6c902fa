package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/postern-mail/postern/models"
)

// LeafVersion is the version of the leaves that are written now.
const LeafVersion = 2

// leaf is an entry as it stands in the log, field by field in this order: its JSON is hashed. Personal fields are commitments, so that they can be erased without breaking a proof.
//
// Version 1: the four fields named below, SHA-256 over one salt, name and value each. They can only be erased together, because whoever has the salt can try names.
// Version 2: Personal, each field under a salt of its own; a field that is empty has none.
type leaf struct {
	Version     int               `json:"v"`
	ID          string            `json:"id"`
	At          string            `json:"at"`
	Tenant      string            `json:"tenant,omitempty"`
	Application string            `json:"application,omitempty"`
	ActorKind   string            `json:"actor_kind"`
	ActorID     string            `json:"actor_id"`
	Actor       string            `json:"actor,omitempty"` // commitment, version 1
	Action      string            `json:"action"`
	ObjectKind  string            `json:"object_kind"`
	ObjectID    string            `json:"object_id"`
	Object      string            `json:"object,omitempty"` // commitment, version 1
	Outcome     string            `json:"outcome"`
	Detail      string            `json:"detail,omitempty"`  // commitment, version 1
	Address     string            `json:"address,omitempty"` // commitment, version 1
	RequestID   string            `json:"request_id,omitempty"`
	Personal    map[string]string `json:"personal,omitempty"` // commitments, version 2: actor, object, address, detail.NAME
}

// Opened is what the commitments of a leaf of version 1 stand for: all of them, or none.
type Opened struct {
	Actor   string            `json:"actor"`
	Object  string            `json:"object"`
	Detail  map[string]string `json:"detail,omitempty"`
	Address string            `json:"address,omitempty"`
	Salt    string            `json:"salt"` // hexadecimal
}

// Opening is what one commitment of a leaf of version 2 stands for.
type Opening struct {
	Value string `json:"value"`
	Salt  string `json:"salt"` // hexadecimal
}

// Shown is what the commitments of a leaf of version 2 stand for, by name. What was erased is missing.
type Shown map[string]Opening

// Leaf gives the bytes of an entry's leaf. They depend on the stored row alone: the same row gives the same bytes for ever, also after parts of it were erased.
func Leaf(e models.AuditEntry, version int) ([]byte, error) {
	l := leaf{Version: version, ID: e.ID.String(), At: e.At.UTC().Format(time.RFC3339Nano), ActorKind: string(e.ActorKind), ActorID: e.ActorID, Action: e.Action, ObjectKind: e.ObjectKind,
		ObjectID: e.ObjectID, Outcome: e.Outcome, RequestID: e.RequestID}
	switch {
	case version == 1 && len(e.Erased) > 0:
		l.Actor, l.Object, l.Detail, l.Address = e.Erased["actor"], e.Erased["object"], e.Erased["detail"], e.Erased["address"]
	case version == 1:
		l.Actor, l.Object, l.Detail, l.Address = opened(e).commitments()
	default:
		l.Personal = commitments(e)
	}
	if e.TenantID != nil {
		l.Tenant = e.TenantID.String()
	}
	if e.ApplicationID != nil {
		l.Application = e.ApplicationID.String()
	}
	text, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("write a leaf: %w", err)
	}
	return text, nil
}

// openings gives what an entry's commitments stand for, in the form of its leaf's version; nil where nothing is left.
func openings(e models.AuditEntry, version int) (*Opened, Shown) {
	if version != 1 {
		return nil, shown(e)
	}
	if len(e.Erased) > 0 {
		return nil, nil
	}
	o := opened(e)
	return &o, nil
}

func opened(e models.AuditEntry) Opened {
	return Opened{Actor: e.Actor, Object: e.Object, Detail: e.Detail, Address: e.Address, Salt: hex.EncodeToString(e.Salt)}
}

func (o Opened) commitments() (actor, object, detail, address string) {
	keys := make([]string, 0, len(o.Detail))
	for k := range o.Detail {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var pairs []string
	for _, k := range keys {
		pairs = append(pairs, k, o.Detail[k])
	}
	return o.commit("actor", o.Actor), o.commit("object", o.Object), o.commit("detail", pairs...), o.commit("address", o.Address)
}

// commit hashes lengths with the texts, so that no two lists give the same bytes.
func (o Opened) commit(name string, values ...string) string {
	h := sha256.New()
	fmt.Fprintf(h, "postern audit 1\n%d %s%d %s", len(o.Salt), o.Salt, len(name), name)
	for _, v := range values {
		fmt.Fprintf(h, "%d %s", len(v), v)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// detailPrefix begins the names of the personal fields that are details.
const detailPrefix = "detail."

// personal lists the fields of an entry that are behind commitments, by name. Empty ones are left out: there is nothing to hide.
func personal(e models.AuditEntry) map[string]string {
	fields := map[string]string{"actor": e.Actor, "object": e.Object, "address": e.Address}
	for name, value := range e.Detail {
		fields[detailPrefix+name] = value
	}
	for name, value := range fields {
		if value == "" {
			delete(fields, name)
		}
	}
	return fields
}

// shown gives each personal field that is left, with its salt.
func shown(e models.AuditEntry) Shown {
	out := Shown{}
	for name, value := range personal(e) {
		if e.Erased[name] == "" {
			out[name] = Opening{Value: value, Salt: saltOf(e, name)}
		}
	}
	return out
}

// saltOf draws a field's salt from the row's, 128 bits. After an erasure the row's own is gone and each field that is left has kept its.
func saltOf(e models.AuditEntry, name string) string {
	if len(e.Erased) > 0 {
		return e.Salts[name]
	}
	mac := hmac.New(sha256.New, e.Salt)
	mac.Write([]byte("postern audit salt 2\n" + name))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func commitments(e models.AuditEntry) map[string]string {
	out := map[string]string{}
	for name, o := range shown(e) {
		out[name] = o.commit(name)
	}
	for name, commitment := range e.Erased {
		out[name] = commitment
	}
	return out
}

// commit is SHA-256 over salt, name and value, each led by its length.
func (o Opening) commit(name string) string {
	var room [256]byte
	sum := sha256.Sum256(appendCommitment(room[:0], o.Salt, name, o.Value))
	return hex.EncodeToString(sum[:])
}

func appendCommitment[T string | []byte](b []byte, salt, name, value T) []byte {
	b = append(b, "postern audit 2\n"...)
	for _, part := range []T{salt, name, value} {
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(b, ' ')
		b = append(b, part...)
	}
	return b
}

// matches says whether everything that is shown is what the leaf commits to. A field may be missing: it was erased.
func (s Shown) matches(l leaf) bool {
	for name, o := range s {
		if l.Personal[name] != o.commit(name) {
			return false
		}
	}
	return true
}

// wellFormed says whether a leaf's commitments are those of its version.
func (l leaf) wellFormed() bool {
	switch l.Version {
	case 1:
		return l.Actor != "" && l.Object != "" && l.Detail != "" && l.Address != "" && l.Personal == nil
	case 2:
		return l.Actor == "" && l.Object == "" && l.Detail == "" && l.Address == ""
	default:
		return false
	}
}

// detail gives one detail of what is shown, in either version.
func detail(o *Opened, s Shown, name string) string {
	if o != nil {
		return o.Detail[name]
	}
	return s[detailPrefix+name].Value
}

// hashOf is the leaf's hash in the tree (RFC 9162 section 2.1.1).
func hashOf(text []byte) tlog.Hash { return tlog.RecordHash(text) }
