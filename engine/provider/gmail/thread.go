package gmail

import (
	"context"
	"errors"
	"slices"
	"sort"

	api "google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	threadPages = 4   // of Gmail's for one of ours that would be empty
	batchMost   = 900 // ids in one change; Gmail takes 1000 (users.messages.batchModify)
	draftsMost  = 500 // drafts looked through for the ids of those in a thread (users.drafts.list)
)

// ListThreads implements provider.ThreadReader. Gmail keeps conversations itself. Its search looks at one message at a time and its labels at the whole
// conversation, so that only what cannot hide a match is asked of it; the rest is decided here.
func (c *Connector) ListThreads(ctx context.Context, a provider.Account, q email.ThreadQuery) (email.Page[email.Thread], error) {
	var page email.Page[email.Thread]
	if err := q.Check(); err != nil {
		return page, err
	}
	for _, id := range q.In {
		if !validID(id) {
			return page, provider.ErrFolderNotFound.At("in")
		}
	}
	asked := q.Messages()
	asked.ThreadID = "threads" // a cursor of threads is none of messages
	asked.Unread, asked.Starred, asked.HasAttachment, asked.ReceivedAfter, asked.ReceivedBefore, asked.Cursor = q.Unread, q.Starred, q.HasAttachment, q.LatestAfter, q.LatestBefore, q.Cursor
	token, err := pageToken(a, asked)
	if err != nil {
		return page, err
	}
	wanted := asked
	if wanted.ThreadID = ""; q.Subject != "" || len(q.Any)+len(q.From)+len(q.To)+len(q.Cc)+len(q.Bcc) > 0 {
		// Another message of the conversation may be the late one, or the one with the attachment.
		wanted.ReceivedAfter = q.Messages().ReceivedAfter
		if q.HasAttachment != nil && *q.HasAttachment {
			wanted.HasAttachment = nil
		}
	}
	r, release := c.open(a)
	defer release()
	for range threadPages {
		list, err := r.threads(ctx, wanted, q.Size(), token)
		if err != nil {
			return page, err
		}
		found := make([]*email.Thread, len(list.Threads))
		kept := draftIDs{r: r}
		err = each(ctx, len(list.Threads), func(ctx context.Context, i int) error {
			if list.Threads[i] == nil || !validID(list.Threads[i].Id) {
				return nil
			}
			t, all, err := r.conversationOf(ctx, list.Threads[i].Id, &kept)
			if errors.Is(err, provider.ErrThreadNotFound) {
				return nil // deleted since
			}
			if err != nil {
				return err
			}
			if q.Native != "" || slices.ContainsFunc(all, func(m email.Message) bool { return fits(q.Messages(), m) && within(m, q.In) }) && q.Matches(t) {
				found[i] = &t
			}
			return nil
		})
		if err == nil {
			err = r.latest(ctx, found, q.NoBody)
		}
		if err != nil {
			return email.Page[email.Thread]{}, err
		}
		for _, t := range found {
			if t != nil {
				page.Items = append(page.Items, *t)
			}
		}
		token = list.NextPageToken
		if page.Next = cursor(a, asked, token); token == "" || len(page.Items) > 0 {
			break
		}
	}
	return page, nil
}

func within(m email.Message, folders []string) bool {
	for _, id := range folders {
		if id != unread && id != starred && !slices.Contains(m.Folders, id) {
			return false
		}
	}
	return true
}

// threads asks for the ids of a page of conversations.
func (r *reader) threads(ctx context.Context, q email.Query, size int, token string) (*api.ListThreadsResponse, error) {
	call := r.c.api.Users.Threads.List("me").MaxResults(int64(size)).IncludeSpamTrash(hidden(q))
	if terms := search(q); terms != "" {
		call = call.Q(terms)
	}
	if ids := labels(q); len(ids) > 0 {
		call = call.LabelIds(ids...)
	}
	if token != "" {
		call = call.PageToken(token)
	}
	var list *api.ListThreadsResponse
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		list, err = call.Context(ctx).Do()
		return err
	})
	return list, refusedList(err, token)
}

// conversationOf reads one conversation without its texts, oldest first. Its drafts bear the ids of drafts.
func (r *reader) conversationOf(ctx context.Context, id string, kept *draftIDs) (email.Thread, []email.Message, error) {
	var g *api.Thread
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		g, err = r.c.api.Users.Threads.Get("me", id).Format("full").Fields(googleapi.Field("id,messages(" + string(withoutTexts()) + ")")).Context(ctx).Do()
		return err
	})
	if errors.Is(absent(err), provider.ErrMessageNotFound) {
		return email.Thread{}, nil, provider.ErrThreadNotFound.Because(errors.Unwrap(err))
	}
	if err != nil {
		return email.Thread{}, nil, err
	}
	var all []email.Message
	sentIDs := map[string]bool{}
	for _, one := range g.Messages {
		if one == nil || !validID(one.Id) {
			continue
		}
		m, parts, bodies, _ := whole(one, email.Standard)
		rfc5322.Fill(&m, parts, bodies)
		marks(&m, one)
		m.Snippet = snippet(m, one)
		if m.Draft {
			if m.ID, err = kept.of(ctx, one.Id); err != nil {
				return email.Thread{}, nil, err
			}
		}
		sentIDs[m.ID] = slices.Contains(one.LabelIds, sent)
		all = append(all, m)
	}
	if len(all) == 0 {
		return email.Thread{}, nil, provider.ErrThreadNotFound
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Date.Before(all[j].Date) })
	return email.Gather(id, all, func(m email.Message) bool { return sentIDs[m.ID] }), all, nil
}

// latest reads the newest message of each conversation with its text.
func (r *reader) latest(ctx context.Context, all []*email.Thread, noBody bool) error {
	return each(ctx, len(all), func(ctx context.Context, i int) error {
		if all[i] == nil || noBody {
			return nil
		}
		var m email.Message
		var err error
		if all[i].Latest.Draft {
			m, err = r.draft(ctx, all[i].Latest.ID)
		} else {
			m, err = r.message(ctx, all[i].Latest.ID, email.Standard)
		}
		switch {
		case err == nil:
			all[i].Latest, all[i].Snippet = m, m.Snippet
		case errors.Is(err, provider.ErrMessageNotFound) || errors.Is(err, provider.ErrDraftNotFound): // deleted since: what is known stays
		default:
			return err
		}
		return nil
	})
}

// Thread implements provider.ThreadReader.
func (c *Connector) Thread(ctx context.Context, a provider.Account, id string) (email.Thread, error) {
	if !validID(id) {
		return email.Thread{}, provider.ErrThreadNotFound
	}
	r, release := c.open(a)
	defer release()
	return r.thread1(ctx, id)
}

func (r *reader) thread1(ctx context.Context, id string) (email.Thread, error) {
	t, _, err := r.conversationOf(ctx, id, &draftIDs{r: r})
	if err == nil {
		err = r.latest(ctx, []*email.Thread{&t}, false)
	}
	return t, err
}

// UpdateThread implements provider.ThreadWriter. All messages but the drafts are changed in one request.
func (c *Connector) UpdateThread(ctx context.Context, a provider.Account, id string, change email.Change) (email.Thread, error) {
	if !validID(id) {
		return email.Thread{}, provider.ErrThreadNotFound
	}
	for _, f := range change.Folders {
		if !validID(f) {
			return email.Thread{}, provider.ErrFolderNotFound.At("folders")
		}
	}
	r, release := c.open(a)
	defer release()
	t, all, err := r.conversationOf(ctx, id, &draftIDs{r: r})
	if err != nil {
		return email.Thread{}, err
	}
	var have []string
	for _, m := range all {
		if !m.Draft {
			have = append(have, m.Folders...)
		}
	}
	common := change
	if change.Folders != nil {
		have = folders(have)
	}
	// What one message has and another lacks is set on all: Gmail takes a label that is there already.
	add, remove, err := difference(nil, email.Change{Unread: change.Unread, Starred: change.Starred})
	if err != nil {
		return email.Thread{}, err
	}
	if common.Folders != nil {
		for _, f := range common.Folders {
			switch {
			case slices.Contains(fixed, f) && !slices.Contains(have, f):
				return email.Thread{}, errFixed
			case !slices.Contains(fixed, f) && !slices.Contains(add, f):
				add = append(add, f)
			}
		}
		for _, f := range have {
			if !slices.Contains(common.Folders, f) && !slices.Contains(fixed, f) {
				remove = append(remove, f)
			}
		}
	}
	if err := r.relabel(ctx, t.MessageIDs, add, remove); err != nil {
		return email.Thread{}, err
	}
	return r.thread1(ctx, id)
}

// relabel changes the labels of many messages ("users.messages.batchModify").
func (r *reader) relabel(ctx context.Context, ids, add, remove []string) error {
	if len(add)+len(remove) == 0 {
		return nil
	}
	for batch := range slices.Chunk(ids, batchMost) {
		err := r.call(ctx, true, func(ctx context.Context) error { // the same change twice is one change
			return r.c.api.Users.Messages.BatchModify("me", &api.BatchModifyMessagesRequest{Ids: batch, AddLabelIds: add, RemoveLabelIds: remove}).Context(ctx).Do()
		})
		if d, ok := turnedDown(err); ok {
			if d.says("label") {
				return provider.ErrFolderNotFound.At("folders").Because(d.cause())
			}
			return errAnswer.Because(d.cause())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DeleteThread implements provider.ThreadWriter. Drafts within it stay.
func (c *Connector) DeleteThread(ctx context.Context, a provider.Account, id string) error {
	if !validID(id) {
		return provider.ErrThreadNotFound
	}
	r, release := c.open(a)
	defer release()
	t, _, err := r.conversationOf(ctx, id, &draftIDs{r: r})
	if err != nil {
		return err
	}
	return each(ctx, len(t.MessageIDs), func(ctx context.Context, i int) error {
		err := r.call(ctx, true, func(ctx context.Context) error {
			_, err := c.api.Users.Messages.Trash("me", t.MessageIDs[i]).Context(ctx).Do()
			return err
		})
		if errors.Is(err, provider.ErrMessageNotFound) {
			return nil
		}
		return err
	})
}
