package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/postern-mail/postern/models"
)

// leaf is an entry as it stands in the log, field by field in this order: its JSON is hashed. Personal fields are commitments, SHA-256 over salt, name and value, so that they
// can be erased one day without breaking a proof.
type leaf struct {
	Version     int    `json:"v"`
	ID          string `json:"id"`
	At          string `json:"at"`
	Tenant      string `json:"tenant,omitempty"`
	Application string `json:"application,omitempty"`
	ActorKind   string `json:"actor_kind"`
	ActorID     string `json:"actor_id"`
	Actor       string `json:"actor"` // commitment
	Action      string `json:"action"`
	ObjectKind  string `json:"object_kind"`
	ObjectID    string `json:"object_id"`
	Object      string `json:"object"` // commitment
	Outcome     string `json:"outcome"`
	Detail      string `json:"detail"`  // commitment
	Address     string `json:"address"` // commitment
	RequestID   string `json:"request_id,omitempty"`
}

// Opened is what the commitments of a leaf stand for.
type Opened struct {
	Actor   string            `json:"actor"`
	Object  string            `json:"object"`
	Detail  map[string]string `json:"detail,omitempty"`
	Address string            `json:"address,omitempty"`
	Salt    string            `json:"salt"` // hexadecimal
}

// Leaf gives the bytes of an entry's leaf. They depend on the stored row alone: the same row gives the same bytes for ever.
func Leaf(e models.AuditEntry) ([]byte, error) {
	o := opened(e)
	l := leaf{Version: 1, ID: e.ID.String(), At: e.At.UTC().Format(time.RFC3339Nano), ActorKind: string(e.ActorKind), ActorID: e.ActorID, Action: e.Action, ObjectKind: e.ObjectKind,
		ObjectID: e.ObjectID, Outcome: e.Outcome, RequestID: e.RequestID}
	l.Actor, l.Object, l.Detail, l.Address = o.commitments()
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

// hashOf is the leaf's hash in the tree (RFC 9162 section 2.1.1).
func hashOf(text []byte) tlog.Hash { return tlog.RecordHash(text) }
