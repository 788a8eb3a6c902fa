package imapmail

import (
	"hash/fnv"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	mostIndexed = 20_000    // messages of one folder whose threads are known; the newest count
	indexedMost = 4_000_000 // messages of all folders: 48 MB
	indexChunk  = 1000      // messages asked for at once
	indexUsual  = 4 << 10   // bytes of the header fields below, of most messages
)

// index says which thread each message of a folder is in. It is made by reading three header fields of every message once; from then on only what is new is read. It is
// never changed after it was made, so that several calls can use it at once.
type index struct {
	validity uint32
	uids     []imap.UID // rising
	threads  []uint64   // hashes of thread ids, beside uids
}

// indexes are kept in memory for as long as there is room and the account is not closed.
type indexKey struct{ account, folder string }

type indexEntry struct {
	*index
	used time.Time
}

func threadHash(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64()
}

// of gives the messages of threads, the newest first, at most mostInThread of each.
func (x *index) of(ids []string) []imap.UID {
	wanted := make(map[uint64]int, len(ids))
	for _, id := range ids {
		wanted[threadHash(id)] = mostInThread
	}
	var out []imap.UID
	for i := len(x.uids) - 1; i >= 0 && len(out) < mostRelated; i-- {
		if left := wanted[x.threads[i]]; left > 0 {
			wanted[x.threads[i]] = left - 1
			out = append(out, x.uids[i])
		}
	}
	return out
}

// upTo says that nothing came to the folder since the index was made.
func (x *index) upTo(s *imap.StatusData) bool {
	return len(x.uids) > 0 && s.UIDValidity == x.validity && s.UIDNext != 0 && s.UIDNext <= x.uids[len(x.uids)-1]+1
}

func (m *Mail) indexOf(k indexKey) *index {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.indexes[k]
	if e == nil {
		return nil
	}
	e.used = time.Now()
	return e.index
}

// keepIndex makes room by forgetting what was not used for longest. An account that was closed meanwhile keeps nothing.
func (m *Mail) keepIndex(a *account, k indexKey, x *index) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.closed {
		return
	}
	m.forgetIndex(k)
	for m.indexed+len(x.uids) > indexedMost {
		var oldest indexKey
		var since time.Time
		for other, e := range m.indexes {
			if since.IsZero() || e.used.Before(since) {
				oldest, since = other, e.used
			}
		}
		m.forgetIndex(oldest)
	}
	m.indexed += len(x.uids)
	m.indexes[k] = &indexEntry{index: x, used: time.Now()}
}

func (m *Mail) forgetIndex(k indexKey) {
	if e := m.indexes[k]; e != nil {
		m.indexed -= len(e.uids)
		delete(m.indexes, k)
	}
}

// index brings the index of the selected folder up to date.
func (w *weaver) index(folder string) (*index, error) {
	k := indexKey{w.key, folder}
	old := w.mail.indexOf(k)
	if old != nil && old.validity != w.validity || old == nil {
		old = &index{validity: w.validity}
	}
	n := w.count()
	if n == 0 {
		return &index{validity: w.validity}, nil
	}
	x := &index{validity: w.validity, uids: old.uids[:len(old.uids):len(old.uids)], threads: old.threads[:len(old.threads):len(old.threads)]}
	if len(old.uids) > 0 {
		// "n:*" means at least the last message, whatever n is.
		if err := w.learnThreads(x, imap.UIDSet{imap.UIDRange{Start: old.uids[len(old.uids)-1] + 1}}, indexChunk); err != nil {
			return nil, err
		}
		if len(x.uids) == len(old.uids) {
			return old, nil
		}
	} else {
		from := uint32(1)
		if n > mostIndexed {
			from = n - mostIndexed + 1
		}
		for ; from <= n; from += indexChunk {
			var set imap.SeqSet
			set.AddRange(from, min(n, from+indexChunk-1))
			if err := w.learnThreads(x, set, indexChunk); err != nil {
				return nil, err
			}
		}
	}
	if over := len(x.uids) - mostIndexed - indexChunk; over > 0 {
		x.uids, x.threads = append([]imap.UID(nil), x.uids[over:]...), append([]uint64(nil), x.threads[over:]...)
	}
	w.mail.keepIndex(w.account, k, x)
	return x, nil
}

// learnThreads reads the header fields that say which thread a message is in.
func (w *weaver) learnThreads(x *index, set imap.NumSet, n int) error {
	section := &imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"Message-ID", "In-Reply-To", "References"}, Partial: &imap.SectionPartial{Size: headMost}}
	w.allow(w.ctx, int64(n)*indexUsual+4*headMost)
	all, err := w.collect(set, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}, n)
	if err != nil {
		return err
	}
	for _, b := range all {
		last := imap.UID(0)
		if len(x.uids) > 0 {
			last = x.uids[len(x.uids)-1]
		}
		if b.UID <= last {
			continue // servers answer in rising order; what does not is left to the next look
		}
		id := rfc5322.ThreadOf(b.FindBodySection(section))
		if id == "" {
			id = "m" + messageID(w.session.folder, w.validity, b.UID)
		}
		x.uids, x.threads = append(x.uids, b.UID), append(x.threads, threadHash(id))
	}
	return nil
}
