package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

type paper struct {
	Act     string   `json:"act"`
	Mailbox string   `json:"mailbox"`
	Said    []string `json:"said"`
}

// document writes an entry that commits to a body, and the document of both.
func document(t *testing.T, w *world, body paper) []byte {
	t.Helper()
	digest, err := audit.Digest(body)
	if err != nil {
		t.Fatal(err)
	}
	id := models.NewID[models.AuditID](time.Now())
	err = w.db.OnPlatform(context.Background(), "test", func(tx *store.Tx) error {
		return w.keeper.Append(context.Background(), tx, models.System("test"), audit.Entry{ID: id, Action: "grant.sever", ObjectKind: "grant", ObjectID: "1", Object: body.Mailbox, Detail: map[string]string{audit.DigestField: digest}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.log.Document(context.Background(), audit.ReceiptFormat, body, id); err == nil {
		t.Error("a document was written before the log had its entry")
	}
	w.sequence()
	text, err := w.log.Document(context.Background(), audit.ReceiptFormat, body, id)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDocumentHoldsAndNothingElseDoes(t *testing.T) {
	w := newWorld(t)
	w.write(w.a, 20)
	w.write(w.b, 3)
	body := paper{"revoke", "ada@example.com", []string{"We destroyed our copy.", "Google <confirmed> & more"}}
	text := document(t, w, body)
	v, err := audit.VerifyDocument(text, w.log.Key())
	if err != nil || !v.Proven || v.Format != audit.ReceiptFormat {
		t.Fatalf("a good receipt does not hold: %+v, %v", v, err)
	}
	if v, err := audit.VerifyDocument(text, ""); err != nil || v.Key != w.log.Key() {
		t.Errorf("without a key: %+v, %v", v, err)
	}
	if !audit.IsDocument(text[:64]) {
		t.Error("the file does not begin like a document")
	}
	var broken *audit.Broken
	bad := func(name string, text []byte) {
		t.Helper()
		if _, err := audit.VerifyDocument(text, w.log.Key()); !errors.As(err, &broken) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for i := range text { // any byte altered
		for _, flip := range []byte{1, 0x20, 0x80} {
			altered := bytes.Clone(text)
			altered[i] ^= flip
			bad("byte altered", altered)
		}
	}
	for i := range text { // truncated anywhere
		bad("truncated", text[:i])
	}
	bad("more after the end", append(bytes.Clone(text), ' '))
	lines := strings.SplitAfter(string(text), "\n")
	for i := 1; i+2 < len(lines); i++ { // reordered
		swapped := append([]string{}, lines...)
		if swapped[i] == swapped[i+1] {
			continue
		}
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		bad("reordered", []byte(strings.Join(swapped, "")))
	}
	var d map[string]json.RawMessage
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	delete(d, "proof")
	short, _ := json.MarshalIndent(d, "", "  ")
	bad("proof taken out", append(short, '\n'))

	// Another body under the same entry, signed by the same key: the log says no.
	forged, err := w.log.Document(context.Background(), audit.ReceiptFormat, paper{"revoke", "eve@example.com", nil}, entryOf(t, w, "grant.sever"))
	if err != nil {
		t.Fatal(err)
	}
	bad("another body under the same proof", forged)

	other := newWorld(t)
	other.log = other.another(bytes.Repeat([]byte{9}, 32))
	if _, err := audit.VerifyDocument(document(t, other, body), w.log.Key()); !errors.As(err, &broken) {
		t.Errorf("another installation's document: %v", err)
	}
}

func entryOf(t *testing.T, w *world, action string) models.AuditID {
	t.Helper()
	page, err := w.keeper.List(context.Background(), models.System("test"), audit.Filter{Action: action, Limit: 1})
	if err != nil || len(page.Entries) != 1 {
		t.Fatal(err, len(page.Entries))
	}
	return page.Entries[0].ID
}
