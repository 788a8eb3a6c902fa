package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// largestDocument bounds an attached document, in bytes.
const largestDocument = 2 << 20

var errDocuments = fault.New(fault.Denied, "documents_denied", "Only an owner or admin attaches documents.")

// Attach keeps a document for a row that only people can answer. It is sealed with the platform's key. ends may be zero.
func (s *Service) Attach(ctx context.Context, actor models.Actor, requirement, name string, ends time.Time, content []byte) error {
	if !actor.Platform() || !actor.May(models.ManageEvidence) {
		return errDocuments
	}
	if !slices.ContainsFunc(requirements(), func(r Requirement) bool { return r.ID == requirement && r.Documents }) {
		return store.ErrNotFound
	}
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 200 {
		return fault.New(fault.Invalid, "name_invalid", "Say what the document is, in at most 200 characters.").At("name")
	}
	if len(content) == 0 || len(content) > largestDocument {
		return fault.New(fault.Invalid, "document_size", "The document must have something in it, and 2 MB at most.").At("file")
	}
	kind := kindOf(content)
	if kind == "" {
		return fault.New(fault.Invalid, "document_kind", "Only PDF and plain text are taken.").At("file")
	}
	sum, at := sha256.Sum256(content), s.Now().UTC()
	d := models.EvidenceDocument{ID: models.NewID[models.DocumentID](at), Requirement: requirement, Name: name, Kind: kind, Digest: sum[:], Size: int64(len(content)), AddedBy: actor.Label, AddedAt: at}
	if !ends.IsZero() {
		d.ExpiresAt = &ends
	}
	// Sealed first: what tells of it is written only when it is there. A sealed value that nothing tells of is harmless.
	err := s.Store.InTenant(ctx, models.TenantID{}, func(tx *store.Tx) error {
		return s.Safe.Put(ctx, tx, models.TenantID{}, sealed.Owner{Kind: sealed.DocumentOwner, ID: d.ID.String()}, "content", secret.New(string(content)))
	})
	if err != nil {
		return fmt.Errorf("seal a document: %w", err)
	}
	return s.Store.OnPlatform(ctx, "attach a document", func(tx *store.Tx) error {
		if err := tx.InsertEvidenceDocument(d); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, actor, audit.Entry{Action: "evidence.attach", ObjectKind: "document", ObjectID: d.ID.String(), Object: name, Detail: map[string]string{"requirement": requirement, "sha256": hex.EncodeToString(sum[:])}})
	})
}

// kindOf looks at the content, never at what the sender calls it.
func kindOf(content []byte) string {
	switch {
	case bytes.HasPrefix(content, []byte("%PDF-")):
		return "application/pdf"
	case utf8.Valid(content) && !bytes.ContainsFunc(content, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }):
		return "text/plain; charset=utf-8"
	default:
		return ""
	}
}

// Document gives an attached document to staff and reviewers of the whole installation.
func (s *Service) Document(ctx context.Context, actor models.Actor, id models.DocumentID) (d models.EvidenceDocument, content []byte, err error) {
	if !actor.Platform() || !actor.May(models.ReadSecurity) {
		return d, nil, store.ErrNotFound
	}
	err = s.Store.OnPlatform(ctx, "read what tells of a document", func(tx *store.Tx) error {
		d, err = tx.EvidenceDocument(id)
		return err
	})
	if err != nil {
		return d, nil, err
	}
	err = s.Store.InTenant(ctx, models.TenantID{}, func(tx *store.Tx) error {
		value, err := s.Safe.Open(ctx, tx, models.TenantID{}, sealed.Owner{Kind: sealed.DocumentOwner, ID: id.String()}, "content")
		content = []byte(value.Reveal())
		return err
	})
	return d, content, err
}

// Remove takes a document off and destroys its content. It gives the row it stood at.
func (s *Service) Remove(ctx context.Context, actor models.Actor, id models.DocumentID) (string, error) {
	if !actor.Platform() || !actor.May(models.ManageEvidence) {
		return "", errDocuments
	}
	var d models.EvidenceDocument
	err := s.Store.OnPlatform(ctx, "take a document off", func(tx *store.Tx) (err error) {
		if d, err = tx.EvidenceDocument(id); err != nil {
			return err
		}
		if err := tx.MarkEvidenceDocumentRemoved(id, s.Now().UTC()); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, actor, audit.Entry{Action: "evidence.remove", ObjectKind: "document", ObjectID: id.String(), Object: d.Name, Detail: map[string]string{"requirement": d.Requirement}})
	})
	if err != nil {
		return "", err
	}
	return d.Requirement, s.Store.InTenant(ctx, models.TenantID{}, func(tx *store.Tx) error {
		_, err := s.Safe.Destroy(ctx, tx, models.TenantID{}, sealed.Owner{Kind: sealed.DocumentOwner, ID: id.String()})
		return err
	})
}
