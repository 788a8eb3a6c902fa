package imapmail

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// A draft is a message in the folder for drafts. IMAP cannot change a message: another is appended and the old one erased, and its UID is gone. A draft is
// therefore known by its Message-ID, which stays. One that another program wrote without a Message-ID has the id of a message until it is changed here.

const longestDraftID = 700 // of a Message-ID that an id is made of

func draftID(m email.Message) string {
	if m.MessageID == "" || len(m.MessageID) > longestDraftID {
		return m.ID
	}
	return "d" + coding.EncodeToString([]byte(m.MessageID))
}

// draftOf is the Message-ID in a draft's id.
func draftOf(id string) (string, bool) {
	rest, ok := strings.CutPrefix(id, "d")
	if !ok || len(id) > base64.RawURLEncoding.EncodedLen(longestDraftID)+1 {
		return "", false
	}
	b, err := coding.DecodeString(rest)
	if err != nil || len(b) == 0 || coding.EncodeToString(b) != rest || strings.ContainsAny(string(b), "\r\n\x00") {
		return "", false
	}
	return string(b), true
}

// ListDrafts lists the folder for drafts, the one that was changed last first.
func (m *Mail) ListDrafts(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	q.In, q.Native = nil, ""
	if err := q.Check(); err != nil {
		return page, err
	}
	err := m.with(ctx, m.at(a), "", false, func(s *session) error {
		folder, err := s.place(ctx, email.Drafts)
		if err != nil || folder == "" {
			return err
		}
		var validity uint32
		var below imap.UID
		if q.Cursor != "" {
			if validity, below, err = readCursor(q.Cursor, folder, q); err != nil {
				return err
			}
		}
		if err := s.use(folder, false); err != nil {
			return err
		}
		if below != 0 && validity != s.validity {
			return provider.ErrCursor
		}
		l := lister{session: s, ctx: ctx, folder: folder, q: q, drafts: true}
		page, err = l.searched(below)
		return err
	})
	// A change that was cut off between its two halves leaves a draft twice. The newer one counts.
	seen, kept := map[string]bool{}, page.Items[:0]
	for _, d := range page.Items {
		if !seen[d.ID] {
			seen[d.ID] = true
			kept = append(kept, d)
		}
	}
	page.Items = kept
	return page, err
}

// Draft reads one draft.
func (m *Mail) Draft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	var out email.Message
	err := m.with(ctx, m.at(a), "", false, func(s *session) error {
		_, found, err := s.draft(ctx, id, false, email.Standard)
		out = found
		return err
	})
	return out, draftGone(err)
}

// draftGone: whatever is not there on the way to a draft, the draft is not there.
func draftGone(err error) error {
	if f, ok := fault.As(err); ok && f.Kind == fault.NotFound {
		return provider.ErrDraftNotFound.Because(f)
	}
	return err
}

// draft selects the folder for drafts and finds one by its id: all its copies, and the newest of them read.
func (s *session) draft(ctx context.Context, id string, write bool, fields email.Fields) (imap.UIDSet, email.Message, error) {
	none := email.Message{}
	wanted, byMessageID := draftOf(id)
	named, validity, uid, err := messageOf(id)
	if !byMessageID && err != nil {
		return nil, none, provider.ErrDraftNotFound
	}
	folder, err := s.place(ctx, email.Drafts)
	if err != nil {
		return nil, none, err
	}
	if folder == "" || !byMessageID && named != folder {
		return nil, none, provider.ErrDraftNotFound
	}
	if err := s.use(folder, write); err != nil {
		return nil, none, err
	}
	if !byMessageID && validity != s.validity {
		return nil, none, provider.ErrDraftNotFound
	}
	candidates := []imap.UID{uid}
	if byMessageID {
		s.allow(ctx, searchBytes)
		set, err := s.uids(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagDeleted}, Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: wanted}}})
		if err != nil {
			return nil, none, err
		}
		candidates = takeBelow(set, 0, 20)
	}
	// SEARCH finds parts of an id, too.
	var all imap.UIDSet
	out := none
	for _, uid := range candidates {
		l := lister{session: s, ctx: ctx, folder: folder, q: email.Query{Fields: fields, Limit: 1}, drafts: true}
		items, _, _, err := l.fetch(imap.UIDSetNum(uid), 1)
		if err != nil {
			return nil, none, err
		}
		if len(items) != 1 {
			continue
		}
		if fields == email.RawOnly {
			read := rfc5322.ReadHeader(items[0].Raw, email.Standard)
			read.ID = items[0].ID
			items[0].ID = draftID(read)
		}
		if items[0].ID != id {
			continue
		}
		if len(all) == 0 {
			out = items[0]
		}
		all.AddNum(uid)
	}
	if len(all) == 0 {
		return nil, none, provider.ErrDraftNotFound
	}
	return all, out, nil
}

// CreateDraft keeps a draft in the folder for drafts, which is made where there is none. It is written piece by piece.
func (m *Mail) CreateDraft(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	a = m.at(a)
	msg, err := rfc5322.Keep(d, email.Address{Email: a.Address}, m.now())
	if err != nil {
		return email.Message{}, err
	}
	if _, err := msg.Fits(sendMost, errSendTooLarge); err != nil {
		return email.Message{}, err
	}
	var out email.Message
	err = m.with(ctx, a, "", false, func(s *session) (err error) {
		out, err = s.append(ctx, msg, d.Starred)
		return err
	})
	return out, err
}

// append puts a draft into its folder and answers it as it will be read.
func (s *session) append(ctx context.Context, msg *rfc5322.Outgoing, starred bool) (email.Message, error) {
	size, err := msg.Size()
	if err != nil {
		return email.Message{}, err
	}
	out, err := msg.Read()
	if err != nil {
		return email.Message{}, err
	}
	folder, err := s.special(ctx, email.Drafts)
	if err != nil {
		return email.Message{}, err
	}
	flags := []imap.Flag{imap.FlagDraft, imap.FlagSeen}
	if starred {
		flags = append(flags, imap.FlagFlagged)
	}
	s.allow(ctx, selectBytes)
	data, err := s.put(folder, size, msg, flags)
	if err != nil {
		return email.Message{}, err
	}
	if data.UID != 0 && data.UIDValidity != 0 {
		out.ID = messageID(folder, data.UIDValidity, data.UID)
	}
	out.ID = draftID(out)
	if out.ThreadID == "" {
		out.ThreadID = "m" + out.ID
	}
	out.Date, out.Size, out.Folders, out.Draft, out.Starred = s.mail.now().UTC(), size, []string{folderID(folder)}, true, starred
	return out, nil
}

// UpdateDraft changes a draft: the new one is there before the old one goes. The old one is read into memory, and so are its files, those that stay. Two changes at once may both be kept for a moment; the later one counts.
func (m *Mail) UpdateDraft(ctx context.Context, a provider.Account, id string, change email.DraftChange) (email.Message, error) {
	a = m.at(a)
	if err := change.Check(); err != nil {
		return email.Message{}, err
	}
	var out email.Message
	err := m.with(ctx, a, "", false, func(s *session) error {
		flagOnly := change
		flagOnly.Starred = nil
		if flagOnly == (email.DraftChange{}) {
			old, _, err := s.draft(ctx, id, true, email.RawOnly)
			if err == nil {
				err = s.mark(old, email.Change{Starred: change.Starred})
			}
			if err != nil {
				return err
			}
			_, out, err = s.draft(ctx, id, true, email.Standard)
			return err
		}
		old, found, err := s.draft(ctx, id, true, email.RawOnly)
		if err != nil {
			return err
		}
		d := rfc5322.DraftOf(found.Raw)
		d.Starred = found.Starred
		d = change.Apply(d)
		msg := rfc5322.Rewrite(d, email.Address{Email: a.Address}, m.now())
		if _, err := msg.Fits(sendMost, errSendTooLarge); err != nil {
			return err
		}
		if out, err = s.append(ctx, msg, d.Starred); err != nil {
			return err
		}
		s.allow(ctx, selectBytes)
		return s.erase(old)
	})
	return out, draftGone(err)
}

// DeleteDraft erases a draft.
func (m *Mail) DeleteDraft(ctx context.Context, a provider.Account, id string) error {
	return draftGone(m.with(ctx, m.at(a), "", false, func(s *session) error {
		all, _, err := s.draft(ctx, id, true, email.Standard)
		if err != nil {
			return err
		}
		return s.erase(all)
	}))
}

// SendDraft submits a draft as it is kept, files the copy among the sent messages, and erases it. Once the server has taken the message, SendDraft succeeds: a draft
// that could not be erased is then still there.
func (m *Mail) SendDraft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	a = m.at(a)
	var raw []byte
	err := m.with(ctx, a, "", false, func(s *session) error {
		_, found, err := s.draft(ctx, id, false, email.RawOnly)
		raw = found.Raw
		return err
	})
	if err != nil {
		return email.Message{}, draftGone(err)
	}
	raw = rfc5322.Departing(raw, email.Address{Email: a.Address}, m.now(), rfc5322.NewMessageID(a.Address))
	msg, err := rfc5322.Compose(email.Draft{Raw: bytes.NewReader(raw)}, email.Address{Email: a.Address}, m.now())
	if err != nil {
		return email.Message{}, err
	}
	out, err := m.depart(ctx, a, msg)
	if err != nil {
		return out, err
	}
	_ = m.with(ctx, a, "", false, func(s *session) error {
		all, _, err := s.draft(ctx, id, true, email.Standard)
		if err != nil {
			return err
		}
		return s.erase(all)
	})
	return out, nil
}

// pathOf finds where a message lies that may also be named by a draft's id, and selects its folder.
func (s *session) pathOf(ctx context.Context, id string) (folder string, uid imap.UID, err error) {
	if _, draft := draftOf(id); draft {
		all, _, err := s.draft(ctx, id, false, email.Standard)
		if err != nil {
			return "", 0, provider.ErrMessageNotFound.Because(err)
		}
		return s.folder, takeBelow(all, 0, 1)[0], nil
	}
	folder, validity, uid, err := messageOf(id)
	if err != nil {
		return "", 0, err
	}
	if s.folder != folder {
		if err := s.use(folder, false); err != nil {
			return "", 0, err
		}
	}
	if validity != s.validity {
		return "", 0, provider.ErrMessageNotFound.Because(errors.New("the folder was made anew"))
	}
	return folder, uid, nil
}
