package gmail

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"

	api "google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// Gmail keeps drafts apart from messages (users.drafts): a draft has an id of its own that stays, while the message within it gets a new one with every change.

var errNobody = fault.New(fault.Invalid, "recipient_missing", "Name at least one recipient.").At("to")

// draftPages bounds the pages of Gmail's that are looked through for one of ours.
const draftPages = 10

// ListDrafts implements provider.DraftReader. Gmail's search compares whole words: the filters are decided here, on every draft.
func (c *Connector) ListDrafts(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	q.In, q.Native = nil, ""
	if err := q.Check(); err != nil {
		return page, err
	}
	bound := q
	bound.Native = "drafts" // a cursor of drafts is none of messages
	token, err := pageToken(a, bound)
	if err != nil {
		return page, err
	}
	r, release := c.open(a)
	defer release()
	for range draftPages {
		list, err := r.drafts(ctx, int64(q.Size()-len(page.Items)), token)
		if err != nil {
			return email.Page[email.Message]{}, err
		}
		found := make([]*email.Message, len(list.Drafts))
		err = each(ctx, len(list.Drafts), func(ctx context.Context, i int) error {
			if list.Drafts[i] == nil || !validID(list.Drafts[i].Id) {
				return nil
			}
			m, err := r.draft(ctx, list.Drafts[i].Id)
			if errors.Is(err, provider.ErrDraftNotFound) {
				return nil // sent or deleted since
			}
			if err == nil && q.Matches(m) {
				found[i] = &m
			}
			return err
		})
		if err != nil {
			return email.Page[email.Message]{}, err
		}
		for _, m := range found {
			if m != nil {
				page.Items = append(page.Items, *m)
			}
		}
		token = list.NextPageToken
		if page.Next = cursor(a, bound, token); token == "" || len(page.Items) >= q.Size() {
			break
		}
	}
	return page, nil
}

func (r *reader) drafts(ctx context.Context, most int64, token string) (*api.ListDraftsResponse, error) {
	call := r.c.api.Users.Drafts.List("me").MaxResults(most)
	if token != "" {
		call = call.PageToken(token)
	}
	var list *api.ListDraftsResponse
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		list, err = call.Context(ctx).Do()
		return err
	})
	return list, refusedList(err, token)
}

// draftIDs finds the draft of a message. It asks once, and only when there is a draft to be found.
type draftIDs struct {
	r    *reader
	once sync.Once
	ids  map[string]string
	err  error
}

func (d *draftIDs) of(ctx context.Context, message string) (string, error) {
	d.once.Do(func() {
		var list *api.ListDraftsResponse
		if list, d.err = d.r.drafts(ctx, draftsMost, ""); d.err != nil {
			return
		}
		d.ids = map[string]string{}
		for _, x := range list.Drafts {
			if x != nil && x.Message != nil {
				d.ids[x.Message.Id] = x.Id
			}
		}
	})
	if id, ok := d.ids[message]; ok || d.err != nil {
		return id, d.err
	}
	return message, nil // one of very many; it cannot be changed by this id, but it is told
}

// Draft implements provider.DraftReader.
func (c *Connector) Draft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	if !validID(id) {
		return email.Message{}, provider.ErrDraftNotFound
	}
	r, release := c.open(a)
	defer release()
	return r.draft(ctx, id)
}

func (r *reader) draft(ctx context.Context, id string) (email.Message, error) {
	g, err := r.getDraft(ctx, id, "full")
	if err != nil {
		return email.Message{}, err
	}
	m, err := r.read(ctx, g.Message, email.Standard, false)
	m.ID, m.Draft = id, true
	return m, err
}

func (r *reader) getDraft(ctx context.Context, id, format string) (*api.Draft, error) {
	var g *api.Draft
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		g, err = r.c.api.Users.Drafts.Get("me", id).Format(format).Context(ctx).Do()
		return err
	})
	if err != nil {
		return nil, noDraft(err)
	}
	if g.Message == nil {
		return nil, errAnswer
	}
	return g, nil
}

// noDraft takes what Gmail says of an id that is none for what it is.
func noDraft(err error) error {
	if err := absent(err); errors.Is(err, provider.ErrMessageNotFound) {
		return provider.ErrDraftNotFound.Because(errors.Unwrap(err))
	}
	return err
}

// CreateDraft implements provider.DraftWriter.
func (c *Connector) CreateDraft(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	msg, err := rfc5322.Keep(d, email.Address{Email: a.Address}, c.now())
	if err != nil {
		return email.Message{}, err
	}
	r, release := c.open(a)
	defer release()
	thread := ""
	if d.InReplyTo != "" {
		thread = r.conversation(ctx, []string{d.InReplyTo})
	}
	return r.writeDraft(ctx, "", thread, msg, d.Starred)
}

// writeDraft makes a draft, or replaces what is in one, and answers it as it then is.
func (r *reader) writeDraft(ctx context.Context, id, thread string, msg *rfc5322.Outgoing, star bool) (email.Message, error) {
	size, err := msg.Fits(sendMost, errSendTooLarge)
	if err != nil {
		return email.Message{}, err
	}
	wire := &api.Draft{Message: &api.Message{ThreadId: thread}}
	var done *api.Draft
	err = r.call(ctx, false, func(ctx context.Context) (err error) {
		if size < uploadFrom {
			raw, err := msg.Bytes()
			if err != nil {
				return err
			}
			wire.Message.Raw = base64.URLEncoding.EncodeToString(raw)
			if id == "" {
				done, err = r.c.api.Users.Drafts.Create("me", wire).Context(ctx).Do()
			} else {
				done, err = r.c.api.Users.Drafts.Update("me", id, wire).Context(ctx).Do()
			}
			return err
		}
		media, kind := msg.Reader(), googleapi.ContentType("message/rfc822")
		defer media.Close() //nolint:errcheck // it was only read
		if id == "" {
			done, err = r.c.api.Users.Drafts.Create("me", wire).Media(media, kind, googleapi.ChunkSize(0)).Context(ctx).Do()
		} else {
			done, err = r.c.api.Users.Drafts.Update("me", id, wire).Media(media, kind, googleapi.ChunkSize(0)).Context(ctx).Do()
		}
		return err
	})
	if err != nil {
		if id != "" && errors.Is(absent(err), provider.ErrMessageNotFound) {
			return email.Message{}, noDraft(err)
		}
		return email.Message{}, unsent(err)
	}
	if !validID(done.Id) || done.Message == nil || !validID(done.Message.Id) {
		return email.Message{}, errAnswer
	}
	if star { // the message within the draft is another one now
		if err := r.star(ctx, done.Message.Id, true); err != nil {
			return email.Message{}, err
		}
	}
	return r.draft(ctx, done.Id)
}

func (r *reader) star(ctx context.Context, message string, on bool) error {
	change := &api.ModifyMessageRequest{AddLabelIds: []string{starred}}
	if !on {
		change = &api.ModifyMessageRequest{RemoveLabelIds: []string{starred}}
	}
	return r.call(ctx, true, func(ctx context.Context) error {
		_, err := r.c.api.Users.Messages.Modify("me", message, change).Context(ctx).Do()
		return err
	})
}

// UpdateDraft implements provider.DraftWriter. Gmail replaces a draft whole: what is not named is read and written again.
func (c *Connector) UpdateDraft(ctx context.Context, a provider.Account, id string, change email.DraftChange) (email.Message, error) {
	if !validID(id) {
		return email.Message{}, provider.ErrDraftNotFound
	}
	if err := change.Check(); err != nil {
		return email.Message{}, err
	}
	r, release := c.open(a)
	defer release()
	g, err := r.getDraft(ctx, id, "raw")
	if err != nil {
		return email.Message{}, err
	}
	have := email.Message{}
	marks(&have, g.Message)
	if flag := change; change.Starred != nil {
		flag.Starred = nil
		if flag == (email.DraftChange{}) {
			if err := r.star(ctx, g.Message.Id, *change.Starred); err != nil {
				return email.Message{}, noDraft(err)
			}
			return r.draft(ctx, id)
		}
	}
	d := rfc5322.DraftOf(octets(g.Message.Raw))
	d.Starred = have.Starred
	d = change.Apply(d)
	return r.writeDraft(ctx, id, g.Message.ThreadId, rfc5322.Rewrite(d, email.Address{Email: a.Address}, c.now()), d.Starred)
}

// DeleteDraft implements provider.DraftWriter. Gmail erases it; it does not go to the trash (users.drafts.delete).
func (c *Connector) DeleteDraft(ctx context.Context, a provider.Account, id string) error {
	if !validID(id) {
		return provider.ErrDraftNotFound
	}
	r, release := c.open(a)
	defer release()
	return noDraft(r.call(ctx, false, func(ctx context.Context) error { return c.api.Users.Drafts.Delete("me", id).Context(ctx).Do() }))
}

// SendDraft implements provider.DraftSender.
func (c *Connector) SendDraft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	if !validID(id) {
		return email.Message{}, provider.ErrDraftNotFound
	}
	r, release := c.open(a)
	defer release()
	d, err := r.draft(ctx, id)
	if err != nil {
		return email.Message{}, err
	}
	if len(d.To)+len(d.Cc)+len(d.Bcc) == 0 {
		return email.Message{}, errNobody
	}
	var done *api.Message
	err = r.call(ctx, false, func(ctx context.Context) (err error) {
		done, err = c.api.Users.Drafts.Send("me", &api.Draft{Id: id}).Context(ctx).Do()
		return err
	})
	if errors.Is(err, provider.ErrMessageNotFound) {
		return email.Message{}, noDraft(err)
	}
	if err != nil {
		return email.Message{}, unsent(err)
	}
	if !validID(done.Id) {
		return email.Message{}, errUnconfirmed
	}
	if m, err := r.message(ctx, done.Id, email.Standard); err == nil {
		return m, nil
	}
	// A grant that may only write drafts cannot look at what was sent.
	done.InternalDate = c.now().UnixMilli()
	marks(&d, done)
	return d, nil
}
