package imapmail

import (
	"context"
	"sort"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// mostLooked is how many candidates one page looks at before it answers what it has.
const mostLooked = 1000

// listed is the folder that a list goes through: the one named, or the inbox.
func listed(in []string) (string, error) {
	switch len(in) {
	case 0:
		return "INBOX", nil
	case 1:
		return folderName(in[0])
	}
	return "", fault.New(fault.Invalid, "in_invalid", "A mailbox behind IMAP is listed one folder at a time. Name one folder.").At("in")
}

// ListMessages lists one folder, the inbox when the query names none, by falling UID: the order in which mail reached the folder.
// A page may be short and still have a next one.
func (m *Mail) ListMessages(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	if err := q.Check(); err != nil {
		return page, err
	}
	folder, err := listed(q.In)
	if err != nil {
		return page, err
	}
	var validity uint32
	var below imap.UID
	if q.Cursor != "" {
		if validity, below, err = readCursor(q.Cursor, folder, q); err != nil {
			return page, err
		}
	}
	err = m.with(ctx, m.at(a), folder, false, func(s *session) error {
		if below != 0 && validity != s.validity {
			return provider.ErrCursor
		}
		l := lister{session: s, ctx: ctx, folder: folder, q: q}
		var err error
		if below == 0 && !filtered(q) {
			page, err = l.newest()
		} else {
			page, err = l.searched(below)
		}
		return err
	})
	return page, err
}

type lister struct {
	*session
	ctx    context.Context
	folder string
	q      email.Query
	drafts bool // what is listed are drafts: known by their own ids, and not told when they are only waiting to be expunged
}

// newest needs no search: the highest sequence numbers are the newest mail.
func (l *lister) newest() (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	n := l.count()
	if n == 0 {
		return page, nil
	}
	size := uint32(l.q.Size())
	from := uint32(1)
	if n > size {
		from = n - size + 1
	}
	var set imap.SeqSet
	set.AddRange(from, n)
	items, lowest, cut, err := l.fetch(set, int(n-from+1))
	if err != nil {
		return page, err
	}
	page.Items = items
	if (from > 1 || cut) && lowest > 1 {
		page.Next = cursorOf(l.folder, l.validity, lowest, l.q)
	}
	return page, nil
}

// searched walks the matching UIDs downwards until the page is full.
func (l *lister) searched(below imap.UID) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	c, ok, err := criteria(l.q)
	if err != nil || !ok {
		return page, err
	}
	if below == 1 {
		return page, nil
	}
	if below > 1 {
		var set imap.UIDSet
		set.AddRange(1, below-1)
		c.UID = append(c.UID, set)
	}
	l.allow(l.ctx, searchBytes)
	all, err := l.uids(c)
	if err != nil {
		return page, err
	}
	size := l.q.Size()
	for looked := 0; len(page.Items) < size && looked < mostLooked; {
		// One more than wanted tells whether there is a next page.
		batch := takeBelow(all, below, size-len(page.Items))
		if len(batch) == 0 {
			return page, nil
		}
		looked += len(batch)
		items, lowest, cut, err := l.fetch(imap.UIDSetNum(batch...), len(batch))
		if err != nil {
			return page, err
		}
		for _, m := range items {
			if fit(l.q, m) {
				page.Items = append(page.Items, m)
			}
		}
		below = batch[len(batch)-1]
		if cut {
			below = lowest
			break
		}
	}
	if len(takeBelow(all, below, 1)) > 0 {
		page.Next = cursorOf(l.folder, l.validity, below, l.q)
	}
	return page, nil
}

// Message reads one message.
func (m *Mail) Message(ctx context.Context, a provider.Account, id string, fields email.Fields) (email.Message, error) {
	folder, validity, uid, err := messageOf(id)
	if err != nil {
		return email.Message{}, err
	}
	var out email.Message
	err = m.with(ctx, m.at(a), folder, false, func(s *session) error {
		if validity != s.validity {
			return provider.ErrMessageNotFound
		}
		var err error
		out, err = s.one(ctx, folder, uid, fields)
		return err
	})
	return out, notFound(err)
}

// one reads a message of the selected folder.
func (s *session) one(ctx context.Context, folder string, uid imap.UID, fields email.Fields) (email.Message, error) {
	l := lister{session: s, ctx: ctx, folder: folder, q: email.Query{Fields: fields, Limit: 1}}
	items, _, _, err := l.fetch(imap.UIDSetNum(uid), 1)
	if err != nil {
		return email.Message{}, err
	}
	for _, x := range items {
		if x.ID == messageID(folder, s.validity, uid) {
			return x, nil
		}
	}
	return email.Message{}, provider.ErrMessageNotFound
}

// notFound: a message in a folder that is gone is gone.
func notFound(err error) error {
	if f, ok := fault.As(err); ok && f.Kind == fault.NotFound {
		return provider.ErrMessageNotFound.Because(f)
	}
	return err
}

// newestFirst sorts by falling UID.
func newestFirst(all []*fetched) {
	sort.Slice(all, func(i, j int) bool { return all[i].uid > all[j].uid })
}
