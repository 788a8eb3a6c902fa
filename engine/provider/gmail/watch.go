package gmail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	api "google.golang.org/api/gmail/v1"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	pollEvery   = time.Minute      // where Google sends no pushes
	pushedEvery = 10 * time.Minute // where it does: the net below them
	renewEvery  = 24 * time.Hour   // of the pushes: Google ends them after seven days and advises to renew daily ("Push notifications")
	topicName   = "topic_name"     // the connector's setting: the Pub/Sub topic to which Google publishes
)

// position is where a watch goes on: the history id that was told of to its end, and the labels as they were.
type position struct {
	History uint64              `json:"history"`
	Labels  map[string]labelled `json:"labels"`
	At      int64               `json:"at"`              // when this was so, in Unix seconds
	Catch   *catch              `json:"catch,omitempty"` // the history was gone: what came since is found by listing
}

// labelled is what of a label makes a change of the folder. Its numbers of messages do not.
type labelled struct {
	Name, Parent, Text, Back string
}

// catch is a listing of what came since a time, page by page.
type catch struct {
	Since   int64  `json:"since"`
	Cursor  string `json:"cursor,omitempty"`
	History uint64 `json:"history"` // where the history goes on afterwards
}

// watch asks for the history of one mailbox.
type watch struct {
	c       *Connector
	account provider.Account
	renewed time.Time // when pushes were last asked for
	pushed  bool      // Google sends them
}

// Watch implements provider.Watcher: the mailbox's history ("Synchronize clients with Gmail") is asked for every minute, or when a push says that there is something, and
// then every ten.
func (c *Connector) Watch(_ context.Context, a provider.Account) (provider.Watch, error) {
	return &watch{c: c, account: a}, nil
}

// Close implements provider.Watch. Nothing is held open between two questions; calls in flight end with the key.
func (*watch) Close() {}

// Wait implements provider.Watch.
func (w *watch) Wait(ctx context.Context, poked <-chan struct{}) error {
	if w.pushed {
		return provider.Pause(ctx, pushedEvery, poked)
	}
	return provider.Pause(ctx, pollEvery, poked)
}

// Look implements provider.Watch. A message keeps its id when its labels change, so a move is an update.
func (w *watch) Look(ctx context.Context, from []byte, wanted map[provider.ChangeKind]bool) (provider.Looked, error) {
	r, release := w.c.open(w.account)
	defer release()
	w.askForPushes(ctx, r)
	l := &looker{reader: r, ctx: ctx, wanted: wanted}
	if json.Unmarshal(from, &l.at) != nil || l.at.History == 0 {
		return l.begin()
	}
	return l.look()
}

// askForPushes asks Google to publish changes to the connector's topic. Without one, or where Google refuses, the history is asked for more often.
func (w *watch) askForPushes(ctx context.Context, r *reader) {
	now := w.c.now()
	if w.account.App == nil || now.Sub(w.renewed) < renewEvery && w.pushed || now.Sub(w.renewed) < time.Hour {
		return
	}
	app, err := w.account.App(ctx)
	if err != nil || app.Settings[topicName] == "" {
		w.pushed = false
		return
	}
	err = r.call(ctx, true, func(ctx context.Context) error {
		_, err := w.c.api.Users.Watch("me", &api.WatchRequest{TopicName: app.Settings[topicName]}).Context(ctx).Do()
		return err
	})
	w.renewed, w.pushed = now, err == nil
}

type looker struct {
	*reader
	ctx    context.Context
	wanted map[provider.ChangeKind]bool
	at     position
	out    provider.Looked
}

func (l *looker) begin() (provider.Looked, error) {
	var err error
	l.at = position{At: l.c.now().Unix()}
	if l.at.History, err = l.current(); err != nil {
		return l.out, err
	}
	if l.at.Labels, _, err = l.labels(); err != nil {
		return l.out, err
	}
	return l.done()
}

func (l *looker) done() (provider.Looked, error) {
	var err error
	l.out.Position, err = json.Marshal(l.at)
	return l.out, err
}

// current is the history id of now.
func (l *looker) current() (uint64, error) {
	var p *api.Profile
	err := l.call(l.ctx, true, func(ctx context.Context) (err error) {
		p, err = l.c.api.Users.GetProfile("me").Context(ctx).Do()
		return err
	})
	if err != nil {
		return 0, elsewhere(err)
	}
	if p.HistoryId == 0 {
		return 0, errAnswer.Because(errors.New("a profile without a history id"))
	}
	return p.HistoryId, nil
}

// labels lists the labels as folders, without their numbers.
func (l *looker) labels() (map[string]labelled, []email.Folder, error) {
	var list *api.ListLabelsResponse
	err := l.call(l.ctx, true, func(ctx context.Context) (err error) {
		list, err = l.c.api.Users.Labels.List("me").Context(ctx).Do()
		return err
	})
	if err != nil {
		return nil, nil, elsewhere(err)
	}
	all := slices.DeleteFunc(list.Labels, func(x *api.Label) bool { return x == nil || !validID(x.Id) || x.Name == "" })
	folders := tree(all)
	out := map[string]labelled{}
	for _, f := range folders {
		out[f.ID] = labelled{f.Name, f.ParentID, f.TextColor, f.BackColor}
	}
	return out, folders, nil
}

func (l *looker) look() (provider.Looked, error) {
	before := l.at
	if err := l.folders(); err != nil {
		return l.out, err
	}
	changed := len(l.out.Changes) > 0
	var err error
	if l.at.Catch != nil {
		err = l.catchUp()
	} else {
		err = l.history()
	}
	if err != nil {
		return provider.Looked{}, err
	}
	if !changed && len(l.out.Changes) == 0 && l.at.History == before.History && l.at.Catch == before.Catch {
		return l.out, nil
	}
	return l.done()
}

// folders compares the labels. There are at most 10,000; what is beyond the room of one look is told in the next.
func (l *looker) folders() error {
	now, list, err := l.labels()
	if err != nil {
		return err
	}
	room := provider.MostChanges / 2 // the rest is for messages
	for i, f := range list {
		was, there := l.at.Labels[f.ID]
		kind := provider.FolderCreated
		if there {
			kind = provider.FolderUpdated
		}
		if there && was == now[f.ID] {
			continue
		}
		if room--; room < 0 {
			l.out.More = true
			return nil
		}
		l.at.Labels[f.ID] = now[f.ID]
		l.out.Changes = append(l.out.Changes, provider.MailboxChange{Kind: kind, ID: f.ID, Folder: &list[i]})
	}
	for id := range l.at.Labels {
		if _, there := now[id]; there {
			continue
		}
		if room--; room < 0 {
			l.out.More = true
			return nil
		}
		delete(l.at.Labels, id)
		l.out.Changes = append(l.out.Changes, provider.MailboxChange{Kind: provider.FolderDeleted, ID: id})
	}
	return nil
}

// befell is what the history says of one message.
type befell struct {
	id   string
	kind provider.ChangeKind
	mark string
}

// history reads one page of it. What befell one message several times within the page is told once, as it is now.
func (l *looker) history() error {
	began := l.c.now().Unix()
	var page *api.ListHistoryResponse
	err := l.call(l.ctx, true, func(ctx context.Context) (err error) {
		page, err = l.c.api.Users.History.List("me").StartHistoryId(l.at.History).MaxResults(provider.MostChanges / 2).Context(ctx).Do()
		return err
	})
	if d, ok := denied(err); ok && d.status == http.StatusNotFound || errors.Is(err, provider.ErrMessageNotFound) {
		return l.lostHistory()
	}
	if err != nil {
		return elsewhere(err)
	}
	var list []*befell
	note := func(m *api.Message, kind provider.ChangeKind, mark uint64) {
		if m == nil || !validID(m.Id) {
			return
		}
		at := slices.IndexFunc(list, func(b *befell) bool { return b.id == m.Id })
		switch {
		case at < 0:
			list = append(list, &befell{m.Id, kind, strconv.FormatUint(mark, 10)})
		case kind == provider.MessageDeleted || kind == provider.MessageCreated:
			list[at].kind, list[at].mark = kind, strconv.FormatUint(mark, 10)
		case list[at].kind == provider.MessageUpdated:
			list[at].mark = strconv.FormatUint(mark, 10)
		}
	}
	last := l.at.History
	for _, h := range page.History {
		if h == nil {
			continue
		}
		for _, x := range h.MessagesAdded {
			note(x.Message, provider.MessageCreated, h.Id)
		}
		for _, x := range h.LabelsAdded {
			note(x.Message, provider.MessageUpdated, h.Id)
		}
		for _, x := range h.LabelsRemoved {
			note(x.Message, provider.MessageUpdated, h.Id)
		}
		for _, x := range h.MessagesDeleted {
			note(x.Message, provider.MessageDeleted, h.Id)
		}
		last = max(last, h.Id)
	}
	if err := l.tell(list); err != nil {
		return err
	}
	switch {
	case page.NextPageToken != "" && last > l.at.History:
		l.at.History, l.out.More = last, true
	case page.NextPageToken == "" && page.HistoryId > l.at.History && len(page.History) > 0:
		l.at.History, l.at.At = page.HistoryId, began
	}
	return nil
}

// tell reads the messages that are there still, and makes the changes. A message that is gone again has its deletion in a later part of the history.
func (l *looker) tell(list []*befell) error {
	var ids []string
	for _, b := range list {
		if b.kind != provider.MessageDeleted && l.wanted[b.kind] {
			ids = append(ids, b.id)
		}
	}
	items, err := l.fetch(l.ctx, email.Query{}, ids, func(email.Message, []string) bool { return true })
	if err != nil {
		return err
	}
	for _, b := range list {
		c := provider.MailboxChange{Kind: b.kind, ID: b.id, Mark: b.mark}
		if b.kind != provider.MessageDeleted && l.wanted[b.kind] {
			at := slices.IndexFunc(items, func(m email.Message) bool { return m.ID == b.id })
			if at < 0 {
				continue
			}
			c.Message = &items[at]
		}
		l.out.Changes = append(l.out.Changes, c)
	}
	return nil
}

// lostHistory goes on by listing: Google keeps the history for a week or so and answers 404 for what is older. New messages are found that way; what was changed or deleted
// before is not known any more.
func (l *looker) lostHistory() error {
	now, err := l.current()
	if err != nil {
		return err
	}
	l.at.Catch, l.out.More = &catch{Since: l.at.At, History: now}, true
	return nil
}

func (l *looker) catchUp() error {
	c := *l.at.Catch
	page, err := l.c.ListMessages(l.ctx, l.account, email.Query{Limit: provider.MostChanges / 2, ReceivedAfter: time.Unix(c.Since, 0), Cursor: c.Cursor})
	if err != nil {
		return fmt.Errorf("list what came since: %w", err)
	}
	for i := range page.Items {
		l.out.Changes = append(l.out.Changes, provider.MailboxChange{Kind: provider.MessageCreated, ID: page.Items[i].ID, Mark: "since", Message: &page.Items[i]})
	}
	if c.Cursor = page.Next; c.Cursor != "" {
		l.at.Catch, l.out.More = &c, true
		return nil
	}
	l.at.History, l.at.At, l.at.Catch, l.out.More = c.History, l.c.now().Unix(), nil, true
	return nil
}
