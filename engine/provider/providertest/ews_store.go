package providertest

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// xBox is one mailbox. Everything below is guarded by ExchangeServer.mu.
type xBox struct {
	root    *xFolder // msgfolderroot
	folders []*xFolder
	named   map[string]*xFolder // by DistinguishedFolderId
	items   []*xItem
}

type xFolder struct {
	id, name, class string
	parent          *xFolder
}

type xItem struct {
	id       string
	key      int
	folder   *xFolder
	raw      []byte
	parsed   email.Message
	received time.Time
	serial   int64
	read     bool
	flagged  bool
	visible  time.Time
	draft    bool
	files    []xFile // of a draft
}

// xID looks like an id of Exchange: standard base64 with all of its characters. kind tells folders from items.
func xID(kind byte) string {
	b := make([]byte, 54)
	_, _ = rand.Read(b)
	b[0], b[1], b[2], b[3] = kind, 0xfb, 0xef, 0xff
	return base64.StdEncoding.EncodeToString(append(b, 0xff))
}

const (
	xFolderKind = 'F'
	xItemKind   = 'I'
)

func (x *ExchangeServer) newBox() *xBox {
	box := &xBox{named: map[string]*xFolder{}}
	box.root = &xFolder{id: xID(xFolderKind), name: "Top of Information Store"}
	box.named["msgfolderroot"] = box.root
	for _, f := range []struct{ named, name, class string }{{"calendar", "Calendar", "IPF.Appointment"}, {"contacts", "Contacts", "IPF.Contact"}, {"deleteditems", "Deleted Items", "IPF.Note"}, {"drafts", "Drafts", "IPF.Note"},
		{"inbox", "Inbox", "IPF.Note"}, {"junkemail", "Junk Email", "IPF.Note"}, {"sentitems", "Sent Items", "IPF.Note"}, {"", "Archive", "IPF.Note"}} {
		folder := x.child(box, box.root, f.name)
		folder.class = f.class
		if f.named != "" {
			box.named[f.named] = folder
		}
	}
	return box
}

// child finds or makes a folder.
func (x *ExchangeServer) child(box *xBox, parent *xFolder, name string) *xFolder {
	for _, f := range box.folders {
		if f.parent == parent && f.name == name {
			return f
		}
	}
	f := &xFolder{id: xID(xFolderKind), name: name, class: "IPF.Note", parent: parent}
	box.folders = append(box.folders, f)
	return f
}

func (b *xBox) byAlias(id string) *xFolder {
	if named, ok := map[string]string{"INBOX": "inbox", "Sent": "sentitems", "Drafts": "drafts", "Trash": "deleteditems", "Junk": "junkemail"}[id]; ok {
		return b.named[named]
	}
	return nil
}

func (x *ExchangeServer) put(box *xBox, at *xFolder, it xItem) *xItem {
	x.serial++
	it.id, it.key, it.folder, it.serial, it.parsed = xID(xItemKind), 1, at, x.serial, rfc5322.Read(it.raw, email.WithHeaders)
	// Exchange keeps finer dates than it tells.
	it.received = it.received.Truncate(time.Second).Add(time.Duration(x.serial%900) * time.Millisecond)
	box.items = append(box.items, &it)
	return &it
}

// folder finds what a FolderId or DistinguishedFolderId means; code is the refusal.
func (b *xBox) folder(n *xNode) (f *xFolder, code string) {
	id := n.attr["Id"]
	if n.name == "t:DistinguishedFolderId" {
		if f := b.named[id]; f != nil {
			return f, ""
		}
		return nil, "ErrorFolderNotFound"
	}
	for _, f := range append([]*xFolder{b.root}, b.folders...) {
		if f.id == id {
			return f, ""
		}
	}
	return nil, badID(id, xItemKind, "ErrorCannotUseItemIdForFolderId", "ErrorFolderNotFound")
}

func badID(id string, otherKind byte, other, absent string) string {
	raw, err := base64.StdEncoding.DecodeString(id)
	switch {
	case err != nil || len(raw) != 55:
		return "ErrorInvalidIdMalformed"
	case raw[0] == otherKind:
		return other
	}
	return absent
}

func (b *xBox) item(n *xNode) (*xItem, string) {
	for _, it := range b.items {
		if it.id == n.attr["Id"] {
			if k := n.attr["ChangeKey"]; k != "" && k != it.changeKey() {
				return nil, "ErrorInvalidChangeKey"
			}
			return it, ""
		}
	}
	return nil, badID(n.attr["Id"], xFolderKind, "ErrorCannotUseFolderIdForItemId", "ErrorItemNotFound")
}

func (it *xItem) changeKey() string {
	return base64.StdEncoding.EncodeToString([]byte("CQAAABYA" + strconv.Itoa(it.key)))
}

func (b *xBox) remove(it *xItem) {
	b.items = slices.DeleteFunc(b.items, func(o *xItem) bool { return o == it })
}

// holds evaluates a search expression.
func (it *xItem) holds(n *xNode) (bool, string) {
	switch n.name {
	case "t:And", "t:Or":
		for _, k := range n.kids {
			ok, code := it.holds(k)
			if code != "" || ok == (n.name == "t:Or") {
				return ok, code
			}
		}
		return n.name == "t:And", ""
	case "t:Not":
		ok, code := it.holds(n.kids[0])
		return !ok, code
	}
	have, known := it.property(n.kids[0])
	if !known {
		return false, "ErrorUnsupportedPathForQuery"
	}
	if n.name == "t:Contains" {
		return strings.Contains(strings.ToLower(have), strings.ToLower(n.kids[1].attr["Value"])), ""
	}
	constant := n.path("t:FieldURIOrConstant", "t:Constant")
	if constant == nil {
		return false, "ErrorInvalidRestriction"
	}
	want := constant.attr["Value"]
	if n.kids[0].attr["FieldURI"] == "item:DateTimeReceived" {
		at, err := time.Parse("2006-01-02T15:04:05Z", want)
		if err != nil {
			return false, "ErrorInvalidValueForProperty"
		}
		want = at.Format(xFine)
	}
	switch n.name {
	case "t:IsEqualTo":
		return have == want, ""
	case "t:IsLessThan":
		return have < want, ""
	case "t:IsGreaterThan":
		return have > want, ""
	case "t:IsGreaterThanOrEqualTo":
		return have >= want, ""
	}
	return have <= want, ""
}

const xFine = "2006-01-02T15:04:05.000000Z" // sorts as text

// property is a property that can be searched for. Recipients cannot: the real server compares their display names.
func (it *xItem) property(n *xNode) (value string, known bool) {
	if n.name == "t:ExtendedFieldURI" {
		if n.attr["PropertyTag"] != "0x1090" || n.attr["PropertyType"] != "Integer" {
			return "", false
		}
		if it.flagged {
			return "2", true
		}
		return "", true
	}
	switch n.attr["FieldURI"] {
	case "item:Subject":
		return it.parsed.Subject, true
	case "message:IsRead":
		return strconv.FormatBool(it.read), true
	case "item:HasAttachments":
		return strconv.FormatBool(len(it.parsed.Attachments) > 0), true
	case "item:DateTimeReceived":
		return it.received.UTC().Format(xFine), true
	case "message:InternetMessageId":
		return bracketed(it.parsed.MessageID), true
	case "message:References":
		return it.references(), true
	case "item:InReplyTo":
		return it.answers(), true
	}
	return "", false
}

func bracketed(id string) string {
	if id == "" {
		return ""
	}
	return "<" + id + ">"
}

func (it *xItem) references() string {
	var out []string
	for _, r := range it.parsed.References {
		out = append(out, bracketed(r))
	}
	return strings.Join(out, " ")
}

func (it *xItem) answers() string {
	if len(it.parsed.InReplyTo) == 0 {
		return ""
	}
	return bracketed(it.parsed.InReplyTo[0])
}
