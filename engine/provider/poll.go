package provider

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/postern-mail/postern/engine/email"
)

const (
	pollWindow = 100 // the newest messages of each folder that are compared
	pollPages  = 5   // of pollWindow, that are walked for such as are new
	pollDeep   = 8   // looks, from one comparison of folders whose counts do not change to the next
)

// Polled is a mailbox that can be watched by asking alone.
type Polled interface {
	FolderLister
	MessageLister
	MessageReader
}

// Poll watches a mailbox by listing it at every interval: all folders with their counts, and of a folder whose counts changed, and of the inbox, the newest 100 messages.
// New messages are found however many there are, up to 500 a folder and look; changes and deletions among the newest 100 of each folder. It is for providers whose own
// log of changes is not used (yet).
func Poll(mailbox Polled, a Account, every time.Duration) Watch {
	return &poll{mailbox: mailbox, account: a, every: every}
}

type poll struct {
	mailbox Polled
	account Account
	every   time.Duration
	looks   int // since all folders were compared
}

// pollPosition is how the mailbox stood.
type pollPosition struct {
	Folders map[string]*pollFolder `json:"folders"`
}

type pollFolder struct {
	Name, Parent string
	Use          []email.Attribute `json:",omitempty"`
	Total        int
	Unread       int
	Whole        bool         // Seen is all that is in the folder
	Seen         []pollLetter // the newest first
}

type pollLetter struct {
	ID      string
	Date    int64
	Unread  bool `json:",omitempty"`
	Starred bool `json:",omitempty"`
}

// Close implements Watch. Nothing is held open.
func (*poll) Close() {}

// Wait implements Watch.
func (p *poll) Wait(ctx context.Context, poked <-chan struct{}) error {
	return Pause(ctx, p.every, poked)
}

type pollLook struct {
	*poll
	ctx     context.Context
	wanted  map[ChangeKind]bool
	at      pollPosition
	begin   bool
	touched bool
	out     Looked
	gone    []string
	deleted []string // folders
}

// Look implements Watch.
func (p *poll) Look(ctx context.Context, from []byte, wanted map[ChangeKind]bool) (Looked, error) {
	l := &pollLook{poll: p, ctx: ctx, wanted: wanted}
	if json.Unmarshal(from, &l.at) != nil || l.at.Folders == nil {
		l.at, l.begin, l.touched = pollPosition{Folders: map[string]*pollFolder{}}, true, true
	}
	if err := l.look(); err != nil {
		return Looked{}, err
	}
	if l.touched {
		var err error
		if l.out.Position, err = json.Marshal(l.at); err != nil {
			return Looked{}, err
		}
	}
	return l.out, nil
}

func (l *pollLook) tell(c MailboxChange) {
	if !l.begin {
		l.out.Changes = append(l.out.Changes, c)
	}
}

func (l *pollLook) look() error {
	folders, err := l.mailbox.ListFolders(l.ctx, l.account)
	if err != nil {
		return err
	}
	l.folders(folders)
	deep := l.looks%pollDeep == 0
	for _, f := range folders {
		known := l.at.Folders[f.ID]
		if known.Total == f.Total && known.Unread == f.Unread && !deep && !f.Has(email.Inbox) && !l.begin {
			continue
		}
		if len(l.out.Changes) >= MostChanges {
			l.out.More = true
			break
		}
		if err := l.compare(f, known); errors.Is(err, ErrFolderNotFound) {
			continue // deleted since it was listed
		} else if err != nil {
			return err
		}
	}
	if !l.out.More {
		l.looks++
	}
	return l.settle()
}

// folders compares the list.
func (l *pollLook) folders(list []email.Folder) {
	now := map[string]bool{}
	for i, f := range list {
		now[f.ID] = true
		known := l.at.Folders[f.ID]
		switch {
		case known == nil:
			// What is in a folder that is new to us is new as well.
			l.at.Folders[f.ID], l.touched = &pollFolder{Name: f.Name, Parent: f.ParentID, Use: f.Attributes, Total: -1, Whole: true}, true
			l.tell(MailboxChange{Kind: FolderCreated, ID: f.ID, Folder: &list[i]})
		case known.Name != f.Name || known.Parent != f.ParentID || !slices.Equal(known.Use, f.Attributes):
			known.Name, known.Parent, known.Use, l.touched = f.Name, f.ParentID, f.Attributes, true
			l.tell(MailboxChange{Kind: FolderUpdated, ID: f.ID, Folder: &list[i]})
		}
	}
	for id, known := range l.at.Folders {
		if now[id] {
			continue
		}
		for _, m := range known.Seen {
			l.gone = append(l.gone, m.ID)
		}
		delete(l.at.Folders, id)
		l.touched = true
		l.deleted = append(l.deleted, id)
	}
}

// compare lists the newest messages of a folder and compares them with those of before.
func (l *pollLook) compare(f email.Folder, known *pollFolder) error {
	seen, whole, err := l.list(f, known)
	if err != nil {
		return err
	}
	floor := int64(0) // below it nothing is known of before
	if !known.Whole && len(known.Seen) > 0 {
		floor = known.Seen[len(known.Seen)-1].Date
	}
	before := map[string]pollLetter{}
	for _, m := range known.Seen {
		before[m.ID] = m
	}
	here := map[string]bool{}
	for i := len(seen) - 1; i >= 0; i-- { // the oldest first
		m := seen[i]
		here[m.ID] = true
		was, there := before[m.ID]
		switch {
		case l.begin:
		case there && was != m:
			if err := l.message(MessageUpdated, m.ID); err != nil {
				return err
			}
		case !there && m.Date >= floor:
			if err := l.message(MessageCreated, m.ID); err != nil {
				return err
			}
		}
	}
	for _, m := range known.Seen {
		if !here[m.ID] && (whole || len(seen) > 0 && m.Date > seen[len(seen)-1].Date) {
			l.gone = append(l.gone, m.ID)
		}
	}
	if len(seen) > pollWindow {
		seen, whole = seen[:pollWindow], false
	}
	if !slices.Equal(seen, known.Seen) || known.Total != f.Total || known.Unread != f.Unread || known.Whole != whole {
		known.Seen, known.Whole, known.Total, known.Unread, l.touched = seen, whole, f.Total, f.Unread, true
	}
	return nil
}

// list reads pages of the folder, the newest first, until one holds a message that is known.
func (l *pollLook) list(f email.Folder, known *pollFolder) (seen []pollLetter, whole bool, err error) {
	q := email.Query{In: []string{f.ID}, Limit: pollWindow, NoBody: true}
	for range pollPages {
		page, err := l.mailbox.ListMessages(l.ctx, l.account, q)
		if err != nil {
			return nil, false, err
		}
		met := false
		for _, m := range page.Items {
			seen = append(seen, pollLetter{ID: m.ID, Date: m.Date.Unix(), Unread: m.Unread, Starred: m.Starred})
			met = met || slices.ContainsFunc(known.Seen, func(k pollLetter) bool { return k.ID == m.ID })
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return seen, true, nil
		}
		if l.begin || met {
			break
		}
	}
	return seen, false, nil
}

// message tells of one that is new or changed. One that is gone meanwhile is left out: the next look finds that.
func (l *pollLook) message(kind ChangeKind, id string) error {
	c := MailboxChange{Kind: kind, ID: id}
	if slices.ContainsFunc(l.out.Changes, func(x MailboxChange) bool { return x.ID == id && x.Message != nil }) {
		return nil // it is in two folders
	}
	if l.wanted[kind] || l.wanted[MessageUpdated] {
		m, err := l.mailbox.Message(l.ctx, l.account, id, email.Standard)
		if errors.Is(err, ErrMessageNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		c.Message = &m
	}
	l.tell(c)
	return nil
}

// settle tells what is gone. What is gone in one folder and there in another was moved: its id stayed, and it may be too old to be seen there, so each is asked for.
func (l *pollLook) settle() error {
	for _, id := range l.gone {
		at := slices.IndexFunc(l.out.Changes, func(c MailboxChange) bool { return c.ID == id && c.Message != nil })
		if at >= 0 {
			l.out.Changes[at].Kind = MessageUpdated
			continue
		}
		m, err := l.mailbox.Message(l.ctx, l.account, id, email.Standard)
		switch {
		case errors.Is(err, ErrMessageNotFound):
			l.tell(MailboxChange{Kind: MessageDeleted, ID: id})
		case err != nil:
			return err
		default:
			l.tell(MailboxChange{Kind: MessageUpdated, ID: id, Message: &m})
		}
	}
	for _, id := range l.deleted {
		l.tell(MailboxChange{Kind: FolderDeleted, ID: id})
	}
	return nil
}
