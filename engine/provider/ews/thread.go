package ews

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// Threads are built from what messages say they answer, as everywhere behind IMAP: Exchange's own conversations go by subject too, and a message's thread_id has to be
// the same wherever it is told. A thread stands in the list where the newest of its messages in the folder stands that fits, which is decided by looking at the whole of it.

const (
	mostRelated  = 1000 // messages found for the threads of one page in one folder; the newest count
	mostInThread = 500  // messages of one thread; the newest count
	mostVisited  = 40   // folders looked through for one thread
	mostRoots    = 20   // threads searched for in one call
)

// woven is what is told of a message in a thread.
var woven = append([]string{"item:HasAttachments"}, envelop...)

// strand is one message of a thread, without its text.
type strand struct {
	email.Message
	id       string // the server's
	attached bool
}

// ListThreads implements provider.ThreadReader: of one folder, the inbox when the query names none. The rest of each thread is looked for among the sent messages and the drafts.
func (c *Connector) ListThreads(ctx context.Context, a provider.Account, q email.ThreadQuery) (email.Page[email.Thread], error) {
	var page email.Page[email.Thread]
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
	walk := q.Messages()
	walk.ReceivedBefore = q.LatestBefore // holds for all messages of a thread
	bound := walk
	bound.ThreadID, bound.Unread, bound.Starred, bound.HasAttachment, bound.ReceivedAfter, bound.Cursor = "threads", q.Unread, q.Starred, q.HasAttachment, q.LatestAfter, q.Cursor
	at := cursor{seen: map[mark]bool{}}
	if q.Cursor != "" {
		var err error
		if at, err = readCursor(bound); err != nil {
			return page, err
		}
		walk.Cursor = q.Cursor
	}
	err := c.with(ctx, a, func(c *caller) error {
		where, err := c.place(folder)
		if err != nil {
			return err
		}
		w := weaver{lister: lister{caller: c, q: walk, at: at, where: where, left: pageBytes}, tq: q, seen: map[string]bool{}}
		more, err := w.run()
		if err != nil {
			return err
		}
		if more {
			page.Next = w.at.String(bound)
		}
		page.Items, err = w.latest()
		return err
	})
	return page, err
}

type weaver struct {
	lister
	tq      email.ThreadQuery
	seen    map[string]bool
	threads []email.Thread
	newest  []string // the server's id of each thread's newest message
}

// run walks down the folder until the page is full, and says whether there may be more.
func (w *weaver) run() (more bool, err error) {
	size := w.tq.Size()
	for looked := 0; ; {
		candidates, more, err := w.candidates(mostAsked)
		if err != nil {
			return false, err
		}
		looked += len(candidates)
		envelopes, err := w.strands(candidates)
		if err != nil {
			return false, err
		}
		for len(candidates) > 0 && len(w.threads) < size {
			var met []strand
			n := 0
			for ; n < len(candidates) && len(met) < min(size-len(w.threads), mostRoots); n++ {
				s, ok := envelopes[candidates[n].ID.ID]
				if ok && !w.seen[s.ThreadID] && (w.q.Native != "" || fit(w.q, s.Message)) {
					w.seen[s.ThreadID] = true
					met = append(met, s)
				}
				w.passed(candidates[n])
			}
			candidates = candidates[n:]
			if err := w.weave(met); err != nil {
				return false, err
			}
		}
		switch {
		case len(candidates) > 0:
			return true, nil
		case !more:
			return false, nil
		case len(w.threads) >= size || looked >= mostLooked:
			return true, nil
		}
	}
}

// strands reads the envelopes of messages. Those that are gone meanwhile are left out.
func (c *caller) strands(all []item) (map[string]strand, error) {
	out := map[string]strand{}
	for batch := range slices.Chunk(all, mostAsked) {
		ids := make([]itemID, len(batch))
		for i, it := range batch {
			ids[i] = itemID{ID: it.ID.ID}
		}
		read, err := c.items(shapeOf(woven...), ids, answerBytes)
		if err != nil {
			return nil, err
		}
		for _, it := range read {
			m, err := c.message(it, email.Standard)
			if err != nil {
				return nil, err
			}
			out[it.ID.ID] = strand{m, it.ID.ID, it.Attached}
		}
	}
	return out, nil
}

// weave adds the threads whose newest fitting message in the folder is among met.
func (w *weaver) weave(met []strand) error {
	if len(met) == 0 {
		return nil
	}
	var roots []string
	for _, s := range met {
		if root, ok := rfc5322.ThreadRoot(s.ThreadID); ok {
			roots = append(roots, root)
		}
	}
	here, err := w.related([]folderIDs{w.where, {Named: []distinguished{{"sentitems"}}}, {Named: []distinguished{{"drafts"}}}}, roots)
	if err != nil {
		return err
	}
	for _, s := range met {
		var all []strand
		first := ""
		for i, found := range here {
			for _, x := range found {
				if x.ThreadID != s.ThreadID || slices.ContainsFunc(all, func(o strand) bool { return o.id == x.id }) {
					continue
				}
				all = append(all, x)
				if i == 0 && first == "" && fit(w.q, x.Message) {
					first = x.id
				}
			}
		}
		if first == "" { // a message by itself, or one that the server's search does not find
			first = s.id
			if !slices.ContainsFunc(all, func(o strand) bool { return o.id == s.id }) {
				all = append(all, s)
			}
		}
		if first != s.id && w.q.Native == "" {
			continue // it stands further up
		}
		t, newest := w.thread(s.ThreadID, all)
		if w.tq.Matches(t) {
			w.threads, w.newest = append(w.threads, t), append(w.newest, newest)
		}
	}
	return nil
}

// related finds the messages of threads in some folders, each folder's newest first. What it finds may hold others, too: the search finds parts of an id.
func (c *caller) related(in []folderIDs, roots []string) ([][]strand, error) {
	out := make([][]strand, len(in))
	if len(roots) == 0 {
		return out, nil
	}
	var any []condition
	for _, root := range roots {
		any = append(any, contains("message:InternetMessageId", root), contains("message:References", root), contains("item:InReplyTo", root))
	}
	order := &sortOrder{[]fieldOrder{{"Descending", fieldURI{"item:DateTimeReceived"}}}}
	for i, where := range in {
		m, err := c.one(findItem{Traversal: "Shallow", Shape: shape{Base: "IdOnly"}, View: pageView{Most: mostRelated, Base: "Beginning"}, Where: whereAny(any), Order: order, Parents: where}, answerBytes, false, provider.ErrFolderNotFound)
		if errors.Is(err, provider.ErrFolderNotFound) && i > 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		read, err := c.strands(m.Root.Items.All)
		if err != nil {
			return nil, err
		}
		for _, it := range m.Root.Items.All {
			if s, ok := read[it.ID.ID]; ok {
				out[i] = append(out[i], s)
			}
		}
	}
	return out, nil
}

func whereAny(any []condition) *where {
	if len(any) == 1 {
		return &where{any[0]}
	}
	return &where{group("Or", any...)}
}

// thread makes a thread of its messages, and tells the server's id of the newest.
func (c *caller) thread(id string, all []strand) (email.Thread, string) {
	slices.SortStableFunc(all, func(a, b strand) int {
		if d := a.Date.Compare(b.Date); d != 0 {
			return d
		}
		return strings.Compare(a.id, b.id)
	})
	all = all[max(0, len(all)-mostInThread):]
	messages, attached := make([]email.Message, len(all)), false
	for i, s := range all {
		messages[i] = s.Message
		attached = attached || s.attached
	}
	t := email.Gather(id, messages, func(m email.Message) bool {
		return slices.Contains(m.Folders, "Sent") || len(m.From) > 0 && c.a.Address != "" && strings.EqualFold(m.From[0].Email, c.a.Address)
	})
	t.Attachments = attached
	return t, all[len(all)-1].id
}

// latest reads the newest message of each thread with its text.
func (w *weaver) latest() ([]email.Thread, error) {
	for i := range w.threads {
		if w.tq.NoBody {
			break
		}
		if err := w.whole(&w.threads[i], w.newest[i]); err != nil {
			return nil, err
		}
	}
	return w.threads, nil
}

func (c *caller) whole(t *email.Thread, newest string) error {
	it, err := c.item(itemID{ID: newest}, true)
	if fault.KindOf(err) == fault.NotFound {
		return nil // gone since: what is known of it stays
	}
	if err != nil {
		return err
	}
	m, err := c.message(it, email.Standard)
	if err == nil {
		t.Latest, t.Snippet = m, m.Snippet
	}
	return err
}

// all finds every message of a thread, in whichever folder for mail it is.
func (c *caller) all(id string) ([]strand, error) {
	if alone, ok := strings.CutPrefix(id, alone); ok {
		full, ok := theirs(alone)
		if !ok {
			return nil, provider.ErrThreadNotFound
		}
		read, err := c.strands([]item{{ID: identifier{ID: full}}})
		if err != nil {
			return nil, err
		}
		if s, ok := read[full]; ok && s.ThreadID == id {
			return []strand{s}, nil
		}
		return nil, provider.ErrThreadNotFound
	}
	root, ok := rfc5322.ThreadRoot(id)
	if !ok {
		return nil, provider.ErrThreadNotFound
	}
	s, err := c.specials()
	if err != nil {
		return nil, err
	}
	places, err := c.folders(s)
	if err != nil {
		return nil, err
	}
	var in []folderIDs
	for _, f := range places[:min(len(places), mostVisited)] {
		if f.Total > 0 {
			in = append(in, folderIDs{IDs: []itemID{{ID: f.ID.ID}}})
		}
	}
	found, err := c.related(in, []string{root})
	if err != nil {
		return nil, err
	}
	var out []strand
	for _, list := range found {
		for _, x := range list {
			if x.ThreadID == id {
				out = append(out, x)
			}
		}
	}
	if len(out) == 0 {
		return nil, provider.ErrThreadNotFound
	}
	return out, nil
}

// Thread implements provider.ThreadReader.
func (c *Connector) Thread(ctx context.Context, a provider.Account, id string) (email.Thread, error) {
	var out email.Thread
	err := c.with(ctx, a, func(c *caller) (err error) {
		out, err = c.one1(id)
		return err
	})
	return out, err
}

func (c *caller) one1(id string) (email.Thread, error) {
	all, err := c.all(id)
	if err != nil {
		return email.Thread{}, err
	}
	t, newest := c.thread(id, all)
	return t, c.whole(&t, newest)
}
