package ews

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	mostLooked = 1000 // candidates that one page looks at before it answers what it has
	mostAsked  = 100  // messages in one GetItem
)

// ListMessages implements provider.MessageLister: one folder, the inbox when the query names none, by falling date of arrival.
// A page may be short and still have a next one.
func (c *Connector) ListMessages(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	if err := q.Check(); err != nil {
		return page, err
	}
	folder := "INBOX"
	switch len(q.In) {
	case 0:
	case 1:
		folder = q.In[0]
	default:
		return page, fault.New(fault.Invalid, "in_invalid", "A mailbox at an Exchange server is listed one folder at a time. Name one folder.").At("in")
	}
	at := cursor{seen: map[mark]bool{}}
	if q.Cursor != "" {
		var err error
		if at, err = readCursor(q); err != nil {
			return page, err
		}
	}
	err := c.with(ctx, a, func(c *caller) error {
		where, err := c.place(folder)
		if err != nil {
			return err
		}
		l := lister{caller: c, q: q, at: at, where: where, left: pageBytes}
		switch {
		case strings.HasPrefix(q.ThreadID, alone):
			return l.single(&page, folder)
		case impossible(q):
			return nil
		}
		return l.run(&page)
	})
	return page, err
}

type lister struct {
	*caller
	q     email.Query
	at    cursor
	where folderIDs
	left  int64 // bytes of mail that the page may still read
}

// run walks down the candidates until the page is full.
func (l *lister) run(page *email.Page[email.Message]) error {
	size := l.q.Size()
	for looked := 0; ; {
		candidates, more, err := l.candidates(size - len(page.Items))
		if err != nil {
			return err
		}
		looked += len(candidates)
		done, err := l.read(page, candidates)
		if err != nil {
			return err
		}
		more = more || done < len(candidates)
		if !more {
			return nil
		}
		if len(page.Items) >= size || looked >= mostLooked || done < len(candidates) || l.left <= 0 {
			page.Next = l.at.String(l.q)
			return nil
		}
	}
}

// candidates is what the server finds beyond the cursor, newest first, and whether there is more of it.
func (l *lister) candidates(want int) (found []item, more bool, err error) {
	if sifted(l.q) {
		want = mostAsked
	}
	ask := findItem{Traversal: "Shallow", Shape: shapeOf("item:DateTimeReceived", "item:Size"), Parents: l.where, Query: l.q.Native,
		View: pageView{Most: want + len(l.at.seen), Base: "Beginning"}, Order: &sortOrder{[]fieldOrder{{"Descending", fieldURI{"item:DateTimeReceived"}}}}}
	if l.q.Native != "" {
		// A query string excludes a restriction, so that only an offset can tell where a page ended.
		ask.View.Offset, ask.View.Most = l.at.offset, want
	} else {
		var before time.Time
		if l.q.Cursor != "" || len(l.at.seen) > 0 {
			before = l.at.second.Add(time.Second) // dates are told in whole seconds and kept in finer ones
		}
		ask.Where = restriction(l.q, before)
	}
	m, err := l.one(ask, answerBytes, false, provider.ErrFolderNotFound)
	if err != nil {
		return nil, false, err
	}
	for _, it := range m.Root.Items.All {
		if it.ID.ID != "" && (l.q.Native != "" || !l.at.seen[markOf(it.ID.ID)]) {
			found = append(found, it)
		}
	}
	return found, !m.Root.Last && len(m.Root.Items.All) > 0, nil
}

// read adds what fits to the page, and moves the cursor along. It answers how many candidates were dealt with.
func (l *lister) read(page *email.Page[email.Message], candidates []item) (done int, err error) {
	fits := map[string]bool{}
	if sifted(l.q) {
		if fits, err = l.sift(candidates); err != nil {
			return 0, err
		}
	}
	for done < len(candidates) && len(page.Items) < l.q.Size() && l.left > 0 {
		batch, bytes, end := []itemID{}, int64(0), done
		for end < len(candidates) && len(page.Items)+len(batch) < l.q.Size() && len(batch) < mostAsked && (len(batch) == 0 || bytes+candidates[end].Size <= batchBytes) {
			if it := candidates[end]; !sifted(l.q) || fits[it.ID.ID] {
				batch = append(batch, itemID{ID: it.ID.ID})
				bytes += it.Size
			}
			end++
		}
		read, err := l.mime(batch, bytes)
		if err != nil {
			return done, err
		}
		for _, it := range candidates[done:end] {
			if m, ok := read[it.ID.ID]; ok && (l.q.Fields == email.RawOnly || fit(l.q, m)) {
				page.Items = append(page.Items, m)
			}
			l.passed(it)
		}
		l.left -= bytes
		done = end
	}
	return done, nil
}

// passed moves the cursor behind a candidate.
func (l *lister) passed(it item) {
	l.at.offset++
	if second := it.Received.Truncate(time.Second); !second.Equal(l.at.second) || len(l.at.seen) == 0 {
		l.at.second, l.at.seen = second, map[mark]bool{}
	}
	if len(l.at.seen) < mostSeen {
		l.at.seen[markOf(it.ID.ID)] = true
	}
}

// sift reads the envelopes of candidates, and says which of them fit.
func (l *lister) sift(candidates []item) (map[string]bool, error) {
	out := map[string]bool{}
	for len(candidates) > 0 {
		n := min(mostAsked, len(candidates))
		ids := make([]itemID, n)
		for i, it := range candidates[:n] {
			ids[i] = itemID{ID: it.ID.ID}
		}
		all, err := l.items(shapeOf(envelop...), ids, answerBytes)
		if err != nil {
			return nil, err
		}
		for _, it := range all {
			m, err := l.message(it, email.Standard)
			if err != nil {
				return nil, err
			}
			out[it.ID.ID] = fit(l.q, m)
		}
		candidates = candidates[n:]
	}
	return out, nil
}

// mime reads whole messages, by the server's id.
func (l *lister) mime(ids []itemID, bytes int64) (map[string]email.Message, error) {
	out := map[string]email.Message{}
	yes := true
	var all []item
	switch len(ids) {
	case 0:
		return out, nil
	case 1:
		it, err := l.item(ids[0], true)
		if fault.KindOf(err) == fault.NotFound {
			return out, nil // gone since it was found
		}
		if err != nil {
			return nil, err
		}
		all = []item{it}
	default:
		s := shapeOf(whole...)
		s.Mime = &yes
		var err error
		// Base64 of mail that may itself be base64 of what the server counts.
		if all, err = l.items(s, ids, 2*bytes+answerBytes); err != nil {
			return nil, err
		}
	}
	for _, it := range all {
		m, err := l.message(it, l.q.Fields)
		if errors.Is(err, provider.ErrTooLarge) {
			m, err = email.Message{ID: safe(it.ID.ID)}, nil
		}
		if err != nil {
			return nil, err
		}
		if l.q.NoBody {
			m.HTML, m.Plain = "", ""
		}
		out[it.ID.ID] = m
	}
	return out, nil
}

// single lists the thread of a message that has no Message-ID: itself.
func (l *lister) single(page *email.Page[email.Message], folder string) error {
	id, ok := theirs(strings.TrimPrefix(l.q.ThreadID, alone))
	if !ok {
		return nil
	}
	it, err := l.item(itemID{ID: id}, true)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	m, err := l.message(it, email.Standard)
	if err != nil {
		return err
	}
	if strings.EqualFold(m.Folders[0], folder) && fit(l.q, m) && (l.q.HasAttachment == nil || *l.q.HasAttachment == (len(m.Attachments) > 0)) {
		if l.q.Fields != email.Standard {
			if m, err = l.message(it, l.q.Fields); err != nil {
				return err
			}
		}
		page.Items = append(page.Items, m)
	}
	return nil
}

// Message implements provider.MessageReader.
func (c *Connector) Message(ctx context.Context, a provider.Account, id string, fields email.Fields) (email.Message, error) {
	full, ok := theirs(id)
	if !ok {
		return email.Message{}, provider.ErrMessageNotFound
	}
	var out email.Message
	err := c.with(ctx, a, func(c *caller) error {
		it, err := c.item(itemID{ID: full}, true)
		if err != nil {
			return err
		}
		out, err = c.message(it, fields)
		return err
	})
	return out, err
}
