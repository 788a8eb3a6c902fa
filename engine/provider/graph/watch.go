package graph

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	pollEvery   = 2 * time.Minute  // where Microsoft sends no notifications
	pushedEvery = 10 * time.Minute // where it does: the net below them
	rounds      = 4                // looks in which each folder is asked at least once
	freshen     = 24 * time.Hour   // links are renewed after it, though nothing changed: Microsoft forgets old ones
	atFirst     = 500              // messages or folders of a page of which nothing is told
	mostPages   = 40               // of one look
)

// position is where a watch goes on. The links are queries of Microsoft's, opaque as it says.
type position struct {
	At      int64              `json:"at"`             // when the look began after which all this was so, in Unix seconds
	Link    string             `json:"link"`           // to what changed among the folders
	Folders map[string]*folder `json:"folders"`        // by our id
	Floor   int64              `json:"floor"`          // messages made at Microsoft before this hour, in hours since 1970, are known
	Made    map[int64][]uint64 `json:"made"`           // sums of the ids of messages known that were made in an hour since
	Told    [][2]uint64        `json:"told,omitempty"` // sums of id and change key of the messages told last, for what Microsoft says again
}

// folder is one folder and how far it was read.
type folder struct {
	Name, Parent string
	Use          []email.Attribute `json:",omitempty"`
	Link         string            `json:",omitempty"` // to what changed in it, or to the next page; empty: from the start
	Within       bool              `json:",omitempty"` // Link leads to the next page of what is being read
	First        bool              `json:",omitempty"` // it is read for the first time since watching began: nothing in it is news
	Since        int64             `json:",omitempty"` // it is read anew, and what was changed since is news; Unix seconds
}

// watch asks what changed in one mailbox.
type watch struct {
	c       *Connector
	account provider.Account
	all     bool // ask every folder: a notification does not say which
	looks   int
	notices subscription
	lapsed  atomic.Bool
}

// Watch implements provider.Watcher, by delta query (Graph, "Get incremental changes to messages in a folder").
func (c *Connector) Watch(_ context.Context, a provider.Account) (provider.Watch, error) {
	return &watch{c: c, account: a, all: true}, nil
}

// Close implements provider.Watch. Nothing is held open between two questions; calls in flight end with the key.
func (*watch) Close() {}

// Wait implements provider.Watch.
func (w *watch) Wait(ctx context.Context, poked <-chan struct{}) error {
	every := pollEvery
	if w.notices.on {
		every = pushedEvery
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-poked:
		w.all = true
	case <-timer.C:
	}
	return nil
}

// Look implements provider.Watch. A message keeps its id when it moves, so a move is an update.
func (w *watch) Look(ctx context.Context, from []byte, wanted map[provider.ChangeKind]bool) (out provider.Looked, err error) {
	err = w.c.with(ctx, w.account, func(k *call) error {
		w.subscribe(k)
		l := &looker{call: k, wanted: wanted, began: k.c.now(), told: map[string]bool{}, asked: map[string]bool{}}
		if json.Unmarshal(from, &l.at) != nil || l.at.Folders == nil || l.at.Made == nil || l.at.Link == "" {
			l.begin()
		}
		l.fresh = l.began.Sub(time.Unix(l.at.At, 0)) > freshen
		if err := l.look(w.all || w.looks%rounds == 0, w.looks%rounds); err != nil {
			return err
		}
		if !l.out.More {
			w.looks++
			w.all = false
		}
		if l.touched {
			var err error
			if l.out.Position, err = json.Marshal(l.at); err != nil {
				return err
			}
		}
		out = l.out
		return nil
	})
	return out, err
}

type looker struct {
	*call
	wanted  map[provider.ChangeKind]bool
	at      position
	began   time.Time
	fresh   bool // take new links even where nothing changed
	first   bool // watching begins
	touched bool
	pages   int
	told    map[string]bool // messages
	asked   map[string]bool // folders that the list of folders mentioned
	removed []string        // Microsoft's ids of messages that left a folder
	out     provider.Looked
}

func (l *looker) begin() {
	l.first, l.touched = true, true
	l.at = position{At: l.began.Unix(), Folders: map[string]*folder{}, Floor: hour(l.began) - 24, Made: map[int64][]uint64{}}
}

func hour(t time.Time) int64 { return t.Unix() / 3600 }

// look asks for the folders, then for the messages of those that may have changed.
func (l *looker) look(all bool, turn int) error {
	if err := l.folders(); err != nil {
		return err
	}
	for i, id := range slices.Sorted(maps.Keys(l.at.Folders)) {
		f := l.at.Folders[id]
		if !all && len(f.Use) == 0 && !l.asked[id] && f.Link != "" && !f.Within && i%rounds != turn {
			continue
		}
		if err := l.messages(id, f); err != nil {
			return err
		}
		if l.full() {
			l.out.More = true
			break
		}
	}
	if err := l.settle(); err != nil {
		return err
	}
	l.prune()
	if l.touched && !l.out.More {
		l.at.At = l.began.Unix()
	}
	return nil
}

// full says that what is left is for the next look.
func (l *looker) full() bool {
	return len(l.out.Changes)+len(l.removed) >= provider.MostChanges/2 || l.pages >= mostPages
}

func (l *looker) tell(c provider.MailboxChange) {
	l.out.Changes, l.touched = append(l.out.Changes, c), true
}

type removed struct {
	Reason string `json:"reason"`
}

type deltaFolder struct {
	wireFolder
	Hidden  bool     `json:"isHidden"`
	Removed *removed `json:"@removed"`
}

// folders reads what changed among the folders ("mailFolder: delta"). It names folders whose numbers alone changed as well. What does not fit is found again by the next look,
// because the link is moved on only when all is told.
func (l *looker) folders() error {
	list, link, anew, err := l.folderRound(l.at.Link)
	if errors.Is(err, errResync) {
		list, link, anew, err = l.folderRound("")
	}
	if err != nil {
		return err
	}
	if len(list) == 0 && !l.fresh {
		return nil
	}
	uses, err := l.uses()
	if err != nil {
		return err
	}
	top, err := l.special(root)
	if err != nil {
		return err
	}
	here := map[string]bool{}
	for _, f := range list {
		if f.ID == top {
			continue
		}
		id := ourID(f.ID)
		here[id] = f.Removed == nil && !f.Hidden
		l.asked[id] = true
		if !l.folder(id, f, uses, top) {
			return nil
		}
	}
	for id := range l.at.Folders {
		if anew && !here[id] && !l.folder(id, deltaFolder{Removed: &removed{}}, nil, "") {
			return nil
		}
	}
	l.at.Link, l.touched = link, true
	return nil
}

// folder takes one folder in. false: it does not fit any more.
func (l *looker) folder(id string, f deltaFolder, uses map[string]email.Attribute, top string) bool {
	known := l.at.Folders[id]
	kind := provider.FolderUpdated
	now := folder{Name: rfc5322.OneLine(f.Name), Parent: ourID(f.Parent)}
	if now.Name == "" {
		now.Name = id
	}
	if f.Parent == top {
		now.Parent = ""
	}
	if is, ok := uses[f.ID]; ok {
		now.Use = []email.Attribute{is}
	}
	switch {
	case f.Removed != nil && known == nil, f.Hidden:
		return true
	case f.Removed != nil:
		kind = provider.FolderDeleted
	case known == nil:
		kind = provider.FolderCreated
	case known.Name == now.Name && known.Parent == now.Parent && slices.Equal(known.Use, now.Use):
		return true
	}
	if !l.first && len(l.out.Changes) >= provider.MostChanges/2 {
		l.out.More = true
		return false
	}
	switch kind {
	case provider.FolderDeleted:
		delete(l.at.Folders, id)
	case provider.FolderCreated:
		now.First = l.first
		l.at.Folders[id] = &now
	default:
		known.Name, known.Parent, known.Use = now.Name, now.Parent, now.Use
	}
	l.touched = true
	if l.first {
		return true
	}
	c := provider.MailboxChange{Kind: kind, ID: id}
	if kind != provider.FolderDeleted {
		c.Folder = &email.Folder{ID: id, Name: now.Name, ParentID: now.Parent, Total: f.Total, Unread: f.Unread, Children: f.Children, Attributes: now.Use, System: len(now.Use) > 0}
	}
	l.tell(c)
	return true
}

// folderRound reads all pages from a link on. anew: it is the list of all folders.
func (l *looker) folderRound(link string) (list []deltaFolder, next string, anew bool, err error) {
	at := link
	for {
		var answer struct {
			Value []deltaFolder `json:"value"`
			links
		}
		if err := l.json(request{method: http.MethodGet, path: "/me/mailFolders/delta", rawQuery: at, pageSize: atFirst, missing: errUpstream}, &answer); err != nil {
			return nil, "", false, err
		}
		for _, f := range answer.Value {
			if f.ID != "" && len(list) < 2*mostFolders {
				list = append(list, f)
			}
		}
		more, err := l.follow(answer.links)
		if err != nil || !more.Within {
			return list, more.Link, link == "", err
		}
		at = more.Link
	}
}

// links are those of an answer: one of the two.
type links struct {
	Next  string `json:"@odata.nextLink"`
	Delta string `json:"@odata.deltaLink"`
}

// follow reads the link by which a round goes on, or the next one begins.
func (k *call) follow(answer links) (folder, error) {
	link, within := answer.Delta, answer.Next != ""
	if within {
		link = answer.Next
	}
	query, err := k.next(link)
	return folder{Link: query, Within: within}, err
}

func deltaPath(theirs string) string {
	return "/me/mailFolders/" + url.PathEscape(theirs) + "/messages/delta"
}
