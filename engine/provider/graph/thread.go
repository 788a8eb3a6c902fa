package graph

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// Microsoft Graph knows which conversation a message is in and has no list of conversations. They are built from the list of messages, newest first: a conversation
// stands where the newest of its messages that fits stands, which is decided by looking at the whole of it, so that a walk through the pages needs no memory.

const (
	threadKind   = 4
	mostInThread = 500 // messages of one conversation; the newest count
	mostMet      = 80  // conversations looked at for one page
)

// ListThreads implements provider.ThreadReader. A page costs one request for each conversation met.
func (c *Connector) ListThreads(ctx context.Context, a provider.Account, q email.ThreadQuery) (email.Page[email.Thread], error) {
	var page email.Page[email.Thread]
	if err := q.Check(); err != nil {
		return page, err
	}
	if len(q.In) > 1 {
		return page, errIn
	}
	inner, err := readThreadCursor(q)
	if err != nil {
		return page, err
	}
	wanted := q.Messages()
	walk := wanted
	walk.NoBody, walk.Limit = true, q.Size()
	// The times are about the newest message. An upper bound holds for all messages of a conversation; a lower one for the newest alone.
	walk.ReceivedBefore = q.LatestBefore
	if plain := len(q.In)+len(q.Any)+len(q.From)+len(q.To)+len(q.Cc)+len(q.Bcc) == 0 && q.Subject == "" && q.Native == ""; plain {
		walk.ReceivedAfter = q.LatestAfter
	}
	if q.Native != "" {
		walk.ReceivedBefore = time.Time{}
	}
	path := "/me/messages"
	if len(q.In) == 1 {
		folder, err := folderPath(q.In[0])
		if err != nil {
			return page, err
		}
		path = folder + "/messages"
	}
	w := weaver{q: q, wanted: wanted, seen: map[string]bool{}}
	err = c.with(ctx, a, func(k *call) error {
		w.call = k
		for {
			walk.Cursor = inner
			l := lister{call: k, q: walk, path: path}
			if len(q.In) == 1 {
				l.missing = provider.ErrFolderNotFound
				if w.in == "" {
					var err error
					if w.in, err = k.folder(q.In[0]); err != nil {
						return err
					}
				}
			}
			if inner != "" {
				var err error
				if l.place, err = readCursor(inner, walk); err != nil {
					return err
				}
			}
			next, err := l.walk()
			if err != nil {
				return err
			}
			if err := w.weave(l.kept); err != nil {
				return err
			}
			inner = next
			full := len(w.threads) > 0 && (!l.byTime || len(w.threads) >= q.Size()) // a page of a search cannot be cut
			if inner == "" || full || w.met >= mostMet {
				break
			}
			walk.Limit = q.Size() - len(w.threads)
			if !l.byTime {
				walk.Limit = q.Size()
			}
		}
		return w.latest()
	})
	if err != nil {
		return page, err
	}
	page.Items = w.threads
	page.Next = threadCursor(q, inner)
	return page, nil
}

// walk lists messages for their conversations.
func (l *lister) walk() (string, error) {
	l.bare = true
	switch kql, ok := search(l.q); {
	case l.q.Native != "":
		if kql, own := native(l.q.Native); own != "" {
			return l.followed(params{"$filter", own}, errQuery)
		} else {
			return l.followed(params{"$search", quoted(kql)}, errQuery)
		}
	case ok && l.place.before.IsZero():
		next, err := l.followed(params{"$search", quoted(kql)}, errRefused)
		if !errors.Is(err, errRefused) || l.place.link != "" {
			return next, err
		}
	}
	return l.filtered()
}

// weaver makes conversations of messages.
type weaver struct {
	*call
	q       email.ThreadQuery
	wanted  email.Query
	in      string // Microsoft's id of the folder that is listed; empty: all
	seen    map[string]bool
	met     int
	threads []email.Thread
}

// weave adds the conversations whose newest fitting message is among met.
func (w *weaver) weave(met []wireMessage) error {
	var first []wireMessage
	for _, m := range met {
		if id := m.ConversationID; id != "" && !w.seen[id] {
			w.seen[id] = true
			first = append(first, m)
		}
	}
	w.met += len(first)
	found := make([]*email.Thread, len(first))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, m := range first {
		g.Go(func() error {
			all, err := w.conversation(m.ConversationID)
			if err != nil || len(all) == 0 {
				return err
			}
			for _, x := range slices.Backward(all) {
				if w.q.Native != "" || (w.in == "" || x.Folder == w.in) && fits(w.wanted, x) {
					if x.ID != m.ID && w.q.Native == "" {
						return nil // it stands further up
					}
					break
				}
			}
			t, err := w.thread(m.ConversationID, all)
			if err == nil && w.q.Matches(t) {
				found[i] = &t
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, t := range found {
		if t != nil {
			w.threads = append(w.threads, *t)
		}
	}
	return nil
}

// conversation reads all messages of a conversation without their texts, oldest first. What is in no folder that can be seen is left out by Microsoft.
func (k *call) conversation(id string) ([]wireMessage, error) {
	var all []wireMessage
	rawQuery := ""
	for {
		var answer struct {
			Value []wireMessage `json:"value"`
			Next  string        `json:"@odata.nextLink"`
		}
		r := request{method: http.MethodGet, path: "/me/messages", rawQuery: rawQuery}
		if rawQuery == "" {
			r.query = params{"$filter", "conversationId eq " + literal(id), "$top", "100", "$select", basicFields}
		}
		err := k.json(r, &answer)
		if errors.Is(err, errRefused) || errors.Is(err, provider.ErrMessageNotFound) { // an id that cannot be one
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, answer.Value...)
		if answer.Next == "" || len(answer.Value) == 0 || len(all) >= 2*mostInThread {
			break
		}
		if rawQuery, err = k.next(answer.Next); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b wireMessage) int { return a.at().Compare(b.at()) })
	return all[max(0, len(all)-mostInThread):], nil
}

// thread makes a conversation of its messages.
func (k *call) thread(id string, all []wireMessage) (email.Thread, error) {
	outbox, err := k.special("sentitems")
	if err != nil {
		return email.Thread{}, err
	}
	messages, attached := make([]email.Message, len(all)), false
	for i, w := range all {
		messages[i] = w.message(email.Standard)
		attached = attached || w.HasAttachments
	}
	t := email.Gather(ourID(id), messages, func(m email.Message) bool {
		return slices.Contains(m.Folders, ourID(outbox)) || len(m.From) > 0 && k.account.Address != "" && strings.EqualFold(m.From[0].Email, k.account.Address)
	})
	t.Attachments = attached
	return t, nil
}

// latest reads the newest message of each conversation whole.
func (w *weaver) latest() error {
	if w.q.NoBody {
		return nil
	}
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i := range w.threads {
		g.Go(func() error { return w.newest(&w.threads[i]) })
	}
	return g.Wait()
}

func (k *call) newest(t *email.Thread) error {
	path, err := messagePath(t.Latest.ID)
	if err != nil {
		return err
	}
	m, err := k.message(path, t.Latest.ID, email.Standard)
	if errors.Is(err, provider.ErrMessageNotFound) {
		return nil // deleted since: what is known of it stays
	}
	if err == nil {
		t.Latest, t.Snippet = m, m.Snippet
	}
	return err
}

// Thread implements provider.ThreadReader.
func (c *Connector) Thread(ctx context.Context, a provider.Account, id string) (email.Thread, error) {
	var out email.Thread
	err := c.with(ctx, a, func(k *call) (err error) {
		out, _, err = k.whole(id)
		return err
	})
	return out, err
}

func (k *call) whole(id string) (email.Thread, []wireMessage, error) {
	theirs, ok := theirID(id)
	if !ok {
		return email.Thread{}, nil, provider.ErrThreadNotFound
	}
	all, err := k.conversation(theirs)
	if err == nil && len(all) == 0 {
		err = provider.ErrThreadNotFound
	}
	if err != nil {
		return email.Thread{}, nil, err
	}
	t, err := k.thread(theirs, all)
	if err == nil {
		err = k.newest(&t)
	}
	return t, all, err
}

// UpdateThread implements provider.ThreadWriter.
func (c *Connector) UpdateThread(ctx context.Context, a provider.Account, id string, change email.Change) (email.Thread, error) {
	if change.Folders != nil && len(change.Folders) != 1 {
		return email.Thread{}, errFolders
	}
	var out email.Thread
	err := c.with(ctx, a, func(k *call) error {
		_, all, err := k.whole(id)
		if err != nil {
			return err
		}
		target := ""
		if change.Folders != nil {
			if target, err = k.folder(change.Folders[0]); err != nil {
				return err
			}
		}
		err = k.every(all, func(w wireMessage, path string) error {
			if target != "" && w.Folder != target {
				var moved wireMessage
				if err := k.post(path+"/move", map[string]string{"destinationId": target}, &moved, nil); err != nil {
					return err
				}
				if moved.ID != "" {
					path = "/me/messages/" + url.PathEscape(moved.ID)
				}
			}
			return k.mark(path, change)
		})
		if err != nil {
			return err
		}
		out, _, err = k.whole(id)
		return err
	})
	return out, err
}

// every does something with all messages but drafts. One that is gone since is none.
func (k *call) every(all []wireMessage, do func(w wireMessage, path string) error) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, w := range all {
		if w.IsDraft || w.ID == "" {
			continue
		}
		g.Go(func() error { return found(do(w, "/me/messages/"+url.PathEscape(w.ID))) })
	}
	return g.Wait()
}

// DeleteThread implements provider.ThreadWriter.
func (c *Connector) DeleteThread(ctx context.Context, a provider.Account, id string) error {
	return c.with(ctx, a, func(k *call) error {
		_, all, err := k.whole(id)
		if err != nil {
			return err
		}
		bin, err := k.folder("deleteditems")
		if err != nil {
			return err
		}
		return k.every(all, func(w wireMessage, path string) error {
			if w.Folder == bin {
				return nil
			}
			return k.post(path+"/move", map[string]string{"destinationId": bin}, nil, nil)
		})
	})
}

// threadCursor ties a cursor of messages to what is asked of conversations.
func threadCursor(q email.ThreadQuery, inner string) string {
	if inner == "" {
		return ""
	}
	return coding.EncodeToString(append(binary.LittleEndian.AppendUint32([]byte{threadKind}, threadSum(q)), inner...))
}

func readThreadCursor(q email.ThreadQuery) (string, error) {
	if q.Cursor == "" {
		return "", nil
	}
	if len(q.Cursor) > 6*longLink+24*mostSeen {
		return "", provider.ErrCursor
	}
	b, err := coding.DecodeString(q.Cursor)
	if err != nil || len(b) < 6 || b[0] != threadKind || binary.LittleEndian.Uint32(b[1:5]) != threadSum(q) {
		return "", provider.ErrCursor
	}
	return string(b[5:]), nil
}

func threadSum(q email.ThreadQuery) uint32 {
	m := q.Messages()
	m.Unread, m.Starred, m.HasAttachment, m.ReceivedBefore, m.ReceivedAfter = q.Unread, q.Starred, q.HasAttachment, q.LatestBefore, q.LatestAfter
	h := fnv.New32a()
	_, _ = h.Write(binary.LittleEndian.AppendUint32([]byte("threads"), filterSum(m)))
	return h.Sum32()
}
