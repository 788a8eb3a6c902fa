package imapmail

import (
	"slices"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// others finds the folders that hold the owner's half of conversations.
func (w *weaver) others() (err error) {
	if w.sent, err = w.place(w.ctx, email.Sent); err == nil {
		w.draft, err = w.place(w.ctx, email.Drafts)
	}
	return err
}

// gather completes threads that were met: the rest of them in this folder, then among the sent messages and the drafts. Those that an earlier page had are left out.
func (w *weaver) gather(ids []string, from imap.UID) ([]woven, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	byID := map[string][]head{}
	here, err := w.index(w.folder)
	if err != nil {
		return nil, err
	}
	if err := w.read(here.of(ids)); err != nil {
		return nil, err
	}
	at := map[string]imap.UID{}
	for uid, h := range w.known {
		if !slices.Contains(ids, h.ThreadID) {
			continue
		}
		byID[h.ThreadID] = append(byID[h.ThreadID], h)
		if uid > at[h.ThreadID] && w.all.Contains(uid) && w.q.Matches(quiet(h.Message, w.q)) {
			at[h.ThreadID] = uid
		}
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return from != 0 && at[id] >= from })
	if err := w.newestTexts(w.folder, ids, byID); err != nil {
		return nil, err
	}
	for _, folder := range []string{w.sent, w.draft} {
		if folder == "" || folder == w.folder || len(ids) == 0 {
			continue
		}
		if err := w.visit(folder, ids, byID, true); err != nil {
			return nil, err
		}
	}
	var out []woven
	for _, id := range ids {
		out = append(out, woven{id: id, at: at[id], list: inOrder(byID[id])})
	}
	return out, nil
}

// back selects a folder unless it is selected. To select a large one again costs some servers a second.
func (w *weaver) back(folder string) error {
	if w.session.folder == folder {
		return nil
	}
	w.allow(w.ctx, selectBytes)
	return w.use(folder, false)
}

// visit adds what another folder has of some threads. It looks into the folder's index where there is one, or one is to be made; a folder that has nothing of them is
// then not even selected.
func (w *weaver) visit(folder string, ids []string, byID map[string][]head, make bool) error {
	if known := w.mail.indexOf(indexKey{w.key, folder}); w.session.folder != folder && (make || known != nil) {
		w.allow(w.ctx, selectBytes)
		status, err := w.client.Status(folder, &imap.StatusOptions{NumMessages: true, UIDNext: true, UIDValidity: true}).Wait()
		switch {
		case err != nil: // SELECT will say why
		case status.NumMessages != nil && *status.NumMessages == 0:
			return nil
		case known != nil && known.upTo(status) && len(known.of(ids)) == 0:
			return nil
		}
	}
	if err := w.back(folder); err != nil {
		if f, ok := fault.As(err); ok && f.Kind == fault.NotFound {
			return nil // it may have been deleted meanwhile, or hold folders only
		}
		return err
	}
	if w.count() == 0 {
		return nil
	}
	var uids []imap.UID
	if make || w.mail.indexOf(indexKey{w.key, folder}) != nil {
		x, err := w.index(folder)
		if err != nil {
			return err
		}
		uids = x.of(ids)
	} else {
		var err error
		if uids, err = w.related(ids); err != nil {
			return err
		}
	}
	all, err := w.heads(folder, uids)
	if err != nil {
		return err
	}
	for _, h := range all {
		if slices.Contains(ids, h.ThreadID) {
			byID[h.ThreadID] = append(byID[h.ThreadID], h)
		}
	}
	return w.newestTexts(folder, ids, byID)
}

// newestTexts reads the newest message of threads where it lies in the selected folder, as far as is known yet.
func (w *weaver) newestTexts(folder string, ids []string, byID map[string][]head) error {
	if w.late {
		return nil
	}
	var uids []imap.UID
	for _, id := range ids {
		if list := inOrder(byID[id]); len(list) > 0 && list[len(list)-1].folder == folder {
			uids = append(uids, list[len(list)-1].uid)
		}
	}
	return w.readTexts(folder, uids)
}

// readTexts reads whole messages of the selected folder. It may stop early where there is too much text.
func (w *weaver) readTexts(folder string, uids []imap.UID) error {
	if len(uids) == 0 {
		return nil
	}
	l := lister{session: w.session, ctx: w.ctx, folder: folder, q: email.Query{NoBody: w.tq.NoBody}, drafts: folder == w.draft}
	items, _, _, err := l.fetch(imap.UIDSetNum(uids...), len(uids))
	for _, m := range items {
		m.Draft = l.drafts
		w.text[textKey{folder, m.ID}] = m
	}
	return err
}

// related searches the selected folder for the messages of threads. What it finds may hold others, too: SEARCH finds parts of an id.
func (w *weaver) related(ids []string) ([]imap.UID, error) {
	var out []imap.UID
	var line []imap.SearchCriteria
	bytes := 0
	flush := func() error {
		if len(line) == 0 {
			return nil
		}
		c := &imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagDeleted}}
		c.And(either(line))
		w.allow(w.ctx, searchBytes)
		set, err := w.uids(c)
		out = append(out, takeBelow(set, 0, mostRelated-len(out))...)
		line, bytes = nil, 0
		return err
	}
	for _, id := range ids {
		root, ok := rfc5322.ThreadRoot(id)
		if !ok {
			continue // a message by itself
		}
		for _, key := range []string{"Message-ID", "References", "In-Reply-To"} {
			line = append(line, imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: key, Value: root}}})
			bytes += len(root) + len(key) + 20
		}
		if bytes > searchLine {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return out, flush()
}
