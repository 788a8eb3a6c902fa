package imapmail

import (
	"context"
	"sort"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	mostFolders = 5000
	mostStatus  = 200 // folders asked one by one, where the server cannot tell all at once
	listBytes   = 4 << 20
)

// ListFolders lists all folders with their counts.
func (m *Mail) ListFolders(ctx context.Context, a provider.Account) ([]email.Folder, error) {
	var out []email.Folder
	err := m.with(ctx, m.at(a), "", false, func(s *session) error {
		all, err := s.folders(ctx, true)
		if err != nil {
			return err
		}
		out = flatten(all)
		return nil
	})
	return out, err
}

// folders asks for the list; with counts also for the number of messages.
func (s *session) folders(ctx context.Context, counts bool) ([]*imap.ListData, error) {
	if counts {
		return s.list(ctx, &imap.StatusOptions{NumMessages: true, NumUnseen: true})
	}
	return s.list(ctx, nil)
}

// list asks for the list, with each folder's status where one is wanted.
func (s *session) list(ctx context.Context, status *imap.StatusOptions) ([]*imap.ListData, error) {
	s.allow(ctx, listBytes)
	var options *imap.ListOptions
	if s.has(imap.CapListExtended) || s.has(imap.CapIMAP4rev2) {
		options = &imap.ListOptions{ReturnSpecialUse: s.has(imap.CapSpecialUse)}
		if status != nil && s.has(imap.CapListStatus) {
			options.ReturnStatus = status
		}
		if *options == (imap.ListOptions{}) {
			options = nil
		}
	}
	cmd := s.client.List("", "*", options)
	var all []*imap.ListData
	for {
		d := cmd.Next()
		if d == nil {
			break
		}
		if len(all) < mostFolders && goodName(d.Mailbox) {
			all = append(all, d)
		}
	}
	if err := cmd.Close(); err != nil {
		return nil, err
	}
	if status != nil && (options == nil || options.ReturnStatus == nil) {
		for i, d := range all {
			if i == mostStatus {
				break
			}
			if !selectable(d) {
				continue
			}
			s.allow(ctx, selectBytes)
			if data, err := s.client.Status(d.Mailbox, status).Wait(); err == nil {
				d.Status = data
			} else if _, fatal := s.answer(err); fatal {
				return nil, err
			}
		}
	}
	return all, nil
}

func selectable(d *imap.ListData) bool {
	return !hasAttr(d, imap.MailboxAttrNoSelect) && !hasAttr(d, imap.MailboxAttrNonExistent)
}

func hasAttr(d *imap.ListData, a imap.MailboxAttr) bool {
	for _, x := range d.Attrs {
		if strings.EqualFold(string(x), string(a)) {
			return true
		}
	}
	return false
}

var attributes = []email.Attribute{email.Sent, email.Drafts, email.Trash, email.Junk, email.Archive, email.All, email.Flagged}

// usual are the names that servers without SPECIAL-USE give to folders with a use.
var usual = map[string]email.Attribute{
	"sent": email.Sent, "sent items": email.Sent, "sent mail": email.Sent, "sent messages": email.Sent, "gesendet": email.Sent,
	"drafts": email.Drafts, "draft": email.Drafts, "entwürfe": email.Drafts,
	"trash": email.Trash, "deleted": email.Trash, "deleted items": email.Trash, "deleted messages": email.Trash, "papierkorb": email.Trash,
	"junk": email.Junk, "spam": email.Junk, "junk mail": email.Junk, "bulk mail": email.Junk, "junk e-mail": email.Junk,
	"archive": email.Archive, "archives": email.Archive, "archiv": email.Archive,
}

// uses gives each use to one folder: to the one that the server names, else to the one with a usual name.
func uses(all []*imap.ListData) map[string]email.Attribute {
	out := map[string]email.Attribute{}
	taken := map[email.Attribute]bool{}
	for _, d := range all {
		if strings.EqualFold(d.Mailbox, "INBOX") {
			out[d.Mailbox] = email.Inbox
			continue
		}
		for _, a := range attributes {
			if hasAttr(d, imap.MailboxAttr(a)) && out[d.Mailbox] == "" {
				out[d.Mailbox] = a
				taken[a] = true
			}
		}
	}
	for _, d := range all {
		a, ok := usual[strings.ToLower(lastName(d))]
		if ok && !taken[a] && out[d.Mailbox] == "" && selectable(d) {
			out[d.Mailbox] = a
			taken[a] = true
		}
	}
	return out
}

func lastName(d *imap.ListData) string {
	if d.Delim != 0 {
		if i := strings.LastIndex(d.Mailbox, string(d.Delim)); i >= 0 && i+len(string(d.Delim)) < len(d.Mailbox) {
			return d.Mailbox[i+len(string(d.Delim)):]
		}
	}
	return d.Mailbox
}

func flatten(all []*imap.ListData) []email.Folder {
	use := uses(all)
	out := make([]email.Folder, 0, len(all))
	children := map[string]int{}
	for _, d := range all {
		if p := parent(d); p != "" {
			children[p]++
		}
	}
	for _, d := range all {
		if hasAttr(d, imap.MailboxAttrNonExistent) {
			continue
		}
		f := email.Folder{ID: folderID(d.Mailbox), Name: oneLine(lastName(d)), Children: children[d.Mailbox]}
		if p := parent(d); p != "" {
			f.ParentID = folderID(p)
		}
		if a := use[d.Mailbox]; a != "" {
			f.Attributes, f.System = []email.Attribute{a}, true
		}
		if d.Status != nil {
			f.Total, f.Unread = deref(d.Status.NumMessages), deref(d.Status.NumUnseen)
		}
		out = append(out, f)
	}
	sort.SliceStable(out, func(i, j int) bool { return rank(out[i]) < rank(out[j]) })
	return out
}

// rank puts the inbox first and folders with a use before the others.
func rank(f email.Folder) int {
	switch {
	case f.Has(email.Inbox):
		return 0
	case f.System:
		return 1
	}
	return 2
}

func parent(d *imap.ListData) string {
	if d.Delim == 0 {
		return ""
	}
	if i := strings.LastIndex(d.Mailbox, string(d.Delim)); i > 0 {
		return d.Mailbox[:i]
	}
	return ""
}

func deref(n *uint32) int {
	if n == nil {
		return 0
	}
	return int(*n)
}

// placesLife is how long a connection believes what it was told about folders with a use: other programs may move them.
const placesLife = time.Minute

// place finds the folder with a use; empty where there is none.
func (s *session) place(ctx context.Context, a email.Attribute) (string, error) {
	if s.places == nil || time.Since(s.placed) > placesLife {
		all, err := s.folders(ctx, false)
		if err != nil {
			return "", err
		}
		s.learn(all)
	}
	return s.places[a], nil
}

func (s *session) learn(all []*imap.ListData) {
	s.places, s.placed = map[email.Attribute]string{}, time.Now()
	use := uses(all)
	for _, d := range all {
		if a := use[d.Mailbox]; a != "" && s.places[a] == "" {
			s.places[a] = d.Mailbox
		}
	}
}

// special finds the folder with a use, and makes it where there is none.
func (s *session) special(ctx context.Context, a email.Attribute) (string, error) {
	name, err := s.place(ctx, a)
	if err != nil || name != "" {
		return name, err
	}
	name = strings.TrimPrefix(string(a), `\`)
	s.allow(ctx, selectBytes)
	var options *imap.CreateOptions
	if s.has(imap.CapCreateSpecialUse) {
		options = &imap.CreateOptions{SpecialUse: []imap.MailboxAttr{imap.MailboxAttr(a)}}
	}
	if err := s.client.Create(name, options).Wait(); err != nil {
		return "", err
	}
	s.places[a] = name
	return name, nil
}
