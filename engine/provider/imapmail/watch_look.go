package imapmail

import (
	"context"
	"errors"
	"slices"
	"sort"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

const inbox = "INBOX"

// looker is one look.
type looker struct {
	*watch
	ctx     context.Context
	wanted  map[provider.ChangeKind]bool
	at      *position
	begin   bool // the first look of all: everything is learned and nothing told
	out     provider.Looked
	touched bool // the position changed
}

// Look implements provider.Watch. IMAP has no log of changes that every server keeps, so a look compares: the list of folders with their STATUS (one command where the
// server has LIST-STATUS, RFC 5819), then the UIDs of those folders whose status is not the one of the last look. A message that is moved is gone in one folder and new
// in another, because its id names its folder; a folder that is renamed, or that the server numbered anew (UIDVALIDITY), is gone and new with all that is in it.
func (w *watch) Look(ctx context.Context, from []byte, wanted map[provider.ChangeKind]bool) (provider.Looked, error) {
	defer context.AfterFunc(ctx, w.session.wire.kill)()
	l := &looker{watch: w, ctx: ctx, wanted: wanted, at: &position{}, begin: len(from) == 0}
	if !l.begin {
		var err error
		if l.at, err = readPosition(from); err != nil {
			l.at, l.begin = &position{}, true // what changed meanwhile is not known any more
		}
	}
	w.session.follow(w.account)
	if err := l.look(); err != nil {
		if w.account.ctx.Err() != nil {
			return provider.Looked{}, errClosed
		}
		out, _ := w.session.answer(err)
		return provider.Looked{}, out
	}
	if l.touched || l.begin {
		var err error
		if l.out.Position, err = l.at.write(); err != nil {
			return provider.Looked{}, err
		}
	}
	return l.out, nil
}

func (l *looker) look() error {
	counts := l.session.has(imap.CapCondStore)
	all, err := l.session.list(l.ctx, &imap.StatusOptions{NumMessages: true, NumUnseen: true, UIDNext: true, UIDValidity: true, HighestModSeq: counts})
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(d *imap.ListData) bool { return hasAttr(d, imap.MailboxAttrNonExistent) })
	l.folders(all)
	deep := !counts && time.Since(l.deep) > deepEvery
	for _, d := range all {
		f := l.at.folder(d.Mailbox)
		if d.Mailbox == inbox || f == nil || !selectable(d) || !deep && d.Status != nil && f.same(d.Status) || d.Status == nil && !deep && !l.begin {
			continue
		}
		if err := l.compare(d, f); err != nil {
			return err
		}
	}
	if deep && !l.out.More {
		l.deep = time.Now()
	}
	// The inbox comes last and stays selected: what reaches it from here on is told by the server. It is compared at every look, because of the folder that is selected
	// a server may tell STATUS as it was (RFC 3501 section 6.3.10); what was told before the comparison is found by it.
	select {
	case <-l.told:
	default:
	}
	for _, d := range all {
		if f := l.at.folder(d.Mailbox); d.Mailbox == inbox && f != nil {
			return l.compare(d, f)
		}
	}
	return nil
}

// room is how many changes may still be told.
func (l *looker) room() int {
	if l.begin {
		return 0
	}
	return provider.MostChanges - len(l.out.Changes)
}

func (l *looker) tell(c provider.MailboxChange) {
	l.out.Changes = append(l.out.Changes, c)
}

// folders compares the list. Folders that are gone take their messages along.
func (l *looker) folders(all []*imap.ListData) {
	now := map[string]email.Folder{}
	for _, f := range flatten(all) {
		now[f.ID] = f
	}
	kept := l.at.Folders[:0]
	for _, f := range l.at.Folders {
		if _, there := now[folderID(f.Name)]; there {
			kept = append(kept, f)
			continue
		}
		l.touched = true
		if !l.vanish(f) || l.room() == 0 {
			l.out.More = true
			kept = append(kept, f)
			continue
		}
		if l.wanted[provider.FolderDeleted] {
			l.tell(provider.MailboxChange{Kind: provider.FolderDeleted, ID: folderID(f.Name)})
		}
	}
	l.at.Folders = kept
	for _, d := range all {
		f := l.at.folder(d.Mailbox)
		folder := now[folderID(d.Mailbox)]
		switch {
		case f == nil && !l.begin && l.room() == 0:
			l.out.More = true
			continue
		case f == nil:
			l.at.Folders, l.touched = append(l.at.Folders, &folderPosition{Name: d.Mailbox, Attributes: folder.Attributes}), true
			if !l.begin && l.wanted[provider.FolderCreated] {
				l.tell(provider.MailboxChange{Kind: provider.FolderCreated, ID: folder.ID, Folder: &folder})
			}
		case !slices.Equal(f.Attributes, folder.Attributes):
			if l.room() == 0 {
				l.out.More = true
				continue
			}
			f.Attributes, l.touched = folder.Attributes, true
			if l.wanted[provider.FolderUpdated] {
				l.tell(provider.MailboxChange{Kind: provider.FolderUpdated, ID: folder.ID, Folder: &folder})
			}
		}
	}
}

// vanish tells that all messages of a folder are gone, under the ids they had. It says false when there are more than can be told in one look.
func (l *looker) vanish(f *folderPosition) bool {
	l.gone(f, f.All)
	return len(f.All) == 0
}

// gone tells that messages are gone, as many as there is room for, and forgets those.
func (l *looker) gone(f *folderPosition, set numbers32) {
	if l.wanted[provider.MessageDeleted] && !l.begin {
		set = set.first(l.room())
		for _, uid := range set.each() {
			l.tell(provider.MailboxChange{Kind: provider.MessageDeleted, ID: messageID(f.Name, f.Validity, imap.UID(uid)), Mark: "gone"})
		}
	}
	if len(set) > 0 {
		f.All, l.touched = f.All.minus(set), true
	}
}

// compare selects a folder and tells what is new, changed and gone in it.
func (l *looker) compare(d *imap.ListData, f *folderPosition) error {
	s := l.session
	s.allow(l.ctx, selectBytes)
	if err := s.use(d.Mailbox, false); err != nil {
		if f, fatal := s.answer(err); !fatal && (errors.Is(f, provider.ErrFolderNotFound) || errors.Is(f, provider.ErrScopeMissing)) {
			return nil // deleted since the list was made, or closed to us
		}
		return err
	}
	if f.Validity != s.validity {
		if f.Validity != 0 && !l.vanish(f) {
			l.out.More = true
			return nil
		}
		f.Validity, f.All, f.Unread, f.Starred, l.touched = s.validity, nil, nil, nil, true
	}
	all, err := l.search(&imap.SearchCriteria{})
	if err != nil {
		return err
	}
	unread, err := l.search(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}})
	if err != nil {
		return err
	}
	starred, err := l.search(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagFlagged}})
	if err != nil {
		return err
	}
	if !l.begin {
		l.gone(f, f.All.minus(all))
		known := f.All.and(all)
		differ := func(was, is numbers32) numbers32 { return was.minus(is).or(is.minus(was)).and(known) }
		if err := l.found(f, provider.MessageUpdated, differ(f.Unread, unread).or(differ(f.Starred, starred)), unread, starred); err != nil {
			return err
		}
		if err := l.found(f, provider.MessageCreated, all.minus(f.All), unread, starred); err != nil {
			return err
		}
		left := len(f.All.minus(all)) > 0 || len(all.minus(f.All)) > 0 || len(differ(f.Unread, unread)) > 0 || len(differ(f.Starred, starred)) > 0
		if left {
			l.out.More = true
			return nil
		}
	}
	f.All, f.Unread, f.Starred = all, unread.and(all), starred.and(all)
	if d.Status != nil && (!f.same(d.Status)) {
		f.settled(d.Status)
		l.touched = true
	}
	return nil
}

func (l *looker) search(c *imap.SearchCriteria) (numbers32, error) {
	l.session.allow(l.ctx, searchBytes)
	set, err := l.session.uids(c)
	if err != nil {
		return nil, err
	}
	out, err := setOf(set)
	if err != nil {
		return nil, provider.ErrBadAnswer.Because(err)
	}
	return out, nil
}

// found tells that messages of a set are new or changed, as many as there is room for, and notes that they were told.
func (l *looker) found(f *folderPosition, kind provider.ChangeKind, set, unread, starred numbers32) error {
	if len(set) == 0 {
		return nil
	}
	if l.wanted[kind] {
		if set = set.first(l.room()); len(set) == 0 {
			return nil
		}
		reader := lister{session: l.session, ctx: l.ctx, folder: f.Name}
		items, lowest, cut, err := reader.fetch(set.set(), set.size())
		if err != nil {
			return err
		}
		sort.Slice(items, func(i, j int) bool { return uidOf(items[i]) < uidOf(items[j]) })
		for i := range items {
			c := provider.MailboxChange{Kind: kind, ID: items[i].ID, Message: &items[i]}
			if kind == provider.MessageCreated {
				c.Mark = "new"
			}
			l.tell(c)
		}
		if cut { // too much for one answer: it has the newest, down to lowest
			set = set.and(numbers32{{uint32(lowest), 1<<32 - 1}})
		}
	}
	f.All = f.All.or(set)
	f.Unread = f.Unread.minus(set).or(unread.and(set))
	f.Starred = f.Starred.minus(set).or(starred.and(set))
	l.touched = true
	return nil
}

func uidOf(m email.Message) imap.UID {
	_, _, uid, err := messageOf(m.ID)
	if err != nil {
		return 0 // ids made here are always read
	}
	return uid
}
