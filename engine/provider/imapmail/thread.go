package imapmail

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// Threads are built from what messages say they answer: a thread is all messages whose oldest reference is the same (rfc5322.ThreadID). The first list of a folder
// reads three header fields of its newest mostIndexed messages and keeps which thread each is in, as a number; from then on a page costs what is on it. The rest
// of its threads is looked for among the sent messages and the drafts alone. The server's own THREAD is not used: its REFERENCES (RFC 5256) throws together
// messages that share no more than a subject, while a thread must be the same here and in a message's thread_id; and Dovecot takes 1.6 seconds for it in a folder
// of 10,000. Nor is SEARCH for the ids of a page: Dovecot takes ten seconds where it has not cached these fields.

const (
	mostRelated  = 1000      // messages of the threads of one page in one folder; the newest count
	mostInThread = 500       // messages of one thread; the newest count
	mostVisited  = 40        // folders looked through for one thread
	searchLine   = 6000      // bytes of one SEARCH: servers need not read longer lines than 8000 (RFC 2683 section 3.2.1.5)
	headMost     = 256 << 10 // of the header fields of one message
	headUsual    = 32 << 10  // of the same, of most messages
)

var headFields = []string{"Message-ID", "In-Reply-To", "References", "Subject", "From", "To", "Cc", "Bcc", "Date"}

// head is one message of a thread, without its text.
type head struct {
	email.Message
	uid    imap.UID
	folder string
}

// weaver lists threads of the folder that is selected.
type weaver struct {
	lister
	tq    email.ThreadQuery
	all   imap.UIDSet // what fits the query, as the server sees it
	known map[imap.UID]head
	sent  string // the folder of sent messages; may be empty
	draft string
	self  string // the owner's address
	key   string // the account's
	late  bool   // texts are read last: most of what is met is thrown away
	text  map[textKey]email.Message
}

type textKey struct {
	folder, id string
}

// woven is one thread with its place in the folder: the newest of its messages that fits.
type woven struct {
	id   string
	at   imap.UID
	list []head // oldest first
}

// ListThreads lists threads by the newest of their messages in the folder that fits, in the order in which mail reached it. A page may be short and still have
// a next one.
func (m *Mail) ListThreads(ctx context.Context, a provider.Account, q email.ThreadQuery) (email.Page[email.Thread], error) {
	var page email.Page[email.Thread]
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
		if validity, below, err = readThreadCursor(q.Cursor, folder, q); err != nil {
			return page, err
		}
	}
	a = m.at(a)
	err = m.with(ctx, a, folder, false, func(s *session) error {
		if below != 0 && validity != s.validity {
			return provider.ErrCursor
		}
		w := weaver{lister: lister{session: s, ctx: ctx, folder: folder, q: q.Messages()}, tq: q, known: map[imap.UID]head{}, text: map[textKey]email.Message{}, self: a.Address, key: a.Key, late: about(q)}
		var err error
		page, err = w.page(below)
		return err
	})
	return page, err
}

func (w *weaver) page(from imap.UID) (email.Page[email.Thread], error) {
	var page email.Page[email.Thread]
	c, ok, err := criteria(w.q)
	if err != nil || !ok {
		return page, err
	}
	if w.tq.Unread != nil && *w.tq.Unread && !w.q.AboutMessages() {
		c.NotFlag = append(c.NotFlag, imap.FlagSeen) // a thread is unread by one message that is; with other filters that need not be the message that fits
	}
	c.NotFlag = append(c.NotFlag, imap.FlagDeleted)
	validity := w.validity
	w.allow(w.ctx, searchBytes)
	if w.all, err = w.uids(c); err != nil {
		return page, err
	}
	if err := w.others(); err != nil {
		return page, err
	}
	size := w.tq.Size()
	var threads []woven
	seen := map[string]bool{}
	below := from
	for looked := 0; len(threads) < size && looked < mostLooked; {
		batch := takeBelow(w.all, below, w.batch(size-len(threads)))
		if len(batch) == 0 {
			break
		}
		if err := w.back(w.folder); err != nil {
			return page, err
		}
		looked += len(batch)
		met, last, err := w.meet(batch, seen, size-len(threads))
		if err != nil {
			return page, err
		}
		found, err := w.gather(met, from)
		if err != nil {
			return page, err
		}
		below = last
		for _, x := range found {
			// The latest message is not read yet, but what these filters look at is known.
			if w.tq.Matches(w.thread(x)) {
				threads = append(threads, x)
			}
		}
	}
	read, err := w.latest(threads)
	if err != nil {
		return page, err
	}
	page.Items = read
	switch {
	case len(read) < len(threads): // the text of the rest would be too much for one page
		page.Next = threadCursor(w.folder, validity, threads[len(read)-1].at, w.tq)
	case len(takeBelow(w.all, below, 1)) > 0:
		page.Next = threadCursor(w.folder, validity, below, w.tq)
	}
	return page, nil
}

// about says that the query has filters on threads as a whole.
func about(q email.ThreadQuery) bool {
	return q.HasAttachment != nil || q.Starred != nil || q.Unread != nil || !q.LatestAfter.IsZero() || !q.LatestBefore.IsZero()
}

// batch is how many messages to look at for n threads. Filters on threads as a whole throw many away.
func (w *weaver) batch(n int) int {
	if w.late {
		return 200
	}
	return max(2*n, 10)
}

// meet reads the headers of a batch, newest first, and answers at most n threads that were not met before, and how far it got.
func (w *weaver) meet(batch []imap.UID, seen map[string]bool, n int) (met []string, last imap.UID, err error) {
	if err := w.read(batch); err != nil {
		return nil, 0, err
	}
	for _, uid := range batch {
		h, ok := w.known[uid]
		if ok && !seen[h.ThreadID] && w.q.Matches(quiet(h.Message, w.q)) {
			if len(met) == n {
				return met, last, nil
			}
			seen[h.ThreadID] = true
			met = append(met, h.ThreadID)
		}
		last = uid
	}
	return met, last, nil
}

// quiet leaves comparing subjects to the server, which knows more of it; see fit.
func quiet(m email.Message, q email.Query) email.Message {
	m.Subject = q.Subject
	return m
}

// read learns the headers of messages of the folder that is listed, those that are not known yet.
func (w *weaver) read(uids []imap.UID) error {
	var unknown []imap.UID
	for _, uid := range uids {
		if _, ok := w.known[uid]; !ok {
			unknown = append(unknown, uid)
		}
	}
	all, err := w.heads(w.folder, unknown)
	for _, h := range all {
		w.known[h.uid] = h
	}
	return err
}

// heads fetches header fields, flags and structure of messages of the selected folder.
func (w *weaver) heads(folder string, uids []imap.UID) ([]head, error) {
	section := &imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader, HeaderFields: headFields, Partial: &imap.SectionPartial{Size: headMost}}
	var out []head
	for len(uids) > 0 {
		n := min(len(uids), 100)
		w.allow(w.ctx, int64(n)*(headUsual+itemMost)+2*headMost+20*structureMost)
		all, err := w.collect(imap.UIDSetNum(uids[:n]...), &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true,
			BodySection: []*imap.FetchItemBodySection{section}, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}}, n)
		if err != nil {
			return nil, err
		}
		for _, b := range all {
			if b.UID == 0 || hasFlag(b.Flags, imap.FlagDeleted) {
				continue
			}
			l := lister{session: w.session, ctx: w.ctx, folder: folder, drafts: folder == w.draft}
			m := l.message(&fetched{uid: b.UID, flags: b.Flags, received: b.InternalDate, size: b.RFC822Size, start: b.FindBodySection(section), parts: structure(b.BodyStructure)})
			m.Draft = l.drafts
			out = append(out, head{Message: m, uid: b.UID, folder: folder})
		}
		uids = uids[n:]
	}
	return out, nil
}

// inOrder sorts oldest first and keeps the newest of a thread that is too long.
func inOrder(list []head) []head {
	slices.SortStableFunc(list, func(a, b head) int {
		if d := a.Date.Compare(b.Date); d != 0 {
			return d
		}
		if a.folder != b.folder {
			return strings.Compare(a.folder, b.folder)
		}
		return int(int64(a.uid) - int64(b.uid))
	})
	return list[max(0, len(list)-mostInThread):]
}

func (w *weaver) thread(x woven) email.Thread {
	all := make([]email.Message, len(x.list))
	for i, h := range x.list {
		all[i] = h.Message
	}
	return email.Gather(x.id, all, func(m email.Message) bool {
		return w.sent != "" && slices.Contains(m.Folders, folderID(w.sent)) || len(m.From) > 0 && w.self != "" && strings.EqualFold(m.From[0].Email, w.self)
	})
}

// latest makes threads of what was found, with the newest message of each read. It may answer fewer when their text is too much for one page, one at least.
func (w *weaver) latest(threads []woven) ([]email.Thread, error) {
	missing := map[string][]imap.UID{}
	for _, x := range threads {
		if newest := x.list[len(x.list)-1]; !w.isRead(newest) {
			missing[newest.folder] = append(missing[newest.folder], newest.uid)
		}
	}
	for folder, uids := range missing {
		if err := w.back(folder); err != nil {
			return nil, err
		}
		if err := w.readTexts(folder, uids); err != nil {
			return nil, err
		}
	}
	var out []email.Thread
	for i, x := range threads {
		newest := x.list[len(x.list)-1]
		if !w.isRead(newest) && i == 0 {
			if err := w.back(newest.folder); err != nil {
				return nil, err
			}
			if err := w.readTexts(newest.folder, []imap.UID{newest.uid}); err != nil {
				return nil, err
			}
		}
		t := w.thread(x)
		if m, ok := w.text[textKey{newest.folder, newest.ID}]; ok {
			t.Latest, t.Snippet = m, m.Snippet
		} else if i > 0 {
			return out, nil
		}
		out = append(out, t)
	}
	return out, nil
}

func (w *weaver) isRead(h head) bool { _, ok := w.text[textKey{h.folder, h.ID}]; return ok }

func threadCursor(folder string, validity uint32, below imap.UID, q email.ThreadQuery) string {
	return coding.EncodeToString(pack(threadKind, folder, validity, uint32(below), threadSum(q)))
}

func readThreadCursor(c, folder string, q email.ThreadQuery) (validity uint32, below imap.UID, err error) {
	f, validity, n, sum, ok := unpack(threadKind, c)
	if !ok || f != folder || sum != threadSum(q) {
		return 0, 0, provider.ErrCursor
	}
	return validity, imap.UID(n), nil
}

func threadSum(q email.ThreadQuery) uint32 {
	m := q.Messages()
	m.Unread, m.Starred, m.HasAttachment, m.ReceivedBefore, m.ReceivedAfter = q.Unread, q.Starred, q.HasAttachment, q.LatestBefore, q.LatestAfter
	return filterSum(m)
}
