package gmail

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"

	api "google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// pageBytes is the most text, or raw mail, that one page may hold in memory.
const pageBytes = 64 << 20

// reader is one request's way to a mailbox.
type reader struct {
	c       *Connector
	session *session
	account provider.Account
	spent   atomic.Int64
}

func (c *Connector) open(a provider.Account) (r *reader, release func()) {
	s, release := c.session(a.Key)
	return &reader{c: c, session: s, account: a}, release
}

func (r *reader) call(ctx context.Context, reads bool, do func(context.Context) error) error {
	return r.session.call(ctx, r.account, reads, do)
}

// spend counts what a page holds. Google's pages cannot be cut where they get too large.
func (r *reader) spend(n int) error {
	if r.spent.Add(int64(n)) > pageBytes {
		return errPageLarge
	}
	return nil
}

// get fetches one message in one of Gmail's formats. Gmail answers 404 for an id that is gone, and 400 for one that never was. Named
// fields leave the others out ("Performance tips", partial response).
func (r *reader) get(ctx context.Context, id, format string, fields ...googleapi.Field) (*api.Message, error) {
	var g *api.Message
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		call := r.c.api.Users.Messages.Get("me", id).Format(format).Context(ctx)
		if len(fields) > 0 {
			call = call.Fields(fields...)
		}
		g, err = call.Do()
		return err
	})
	return g, absent(err)
}

// absent takes the 400 of an id in a path for what it is.
func absent(err error) error {
	if d, ok := turnedDown(err); ok && d.status == http.StatusBadRequest {
		return provider.ErrMessageNotFound.Because(d.cause())
	}
	return err
}

// withoutTexts is a message in full but for the contents of its parts, to a depth that real mail does not reach.
func withoutTexts() googleapi.Field {
	const own = "partId,mimeType,filename,headers,body(size,attachmentId)"
	part := own
	for range 6 {
		part = own + ",parts(" + part + ")"
	}
	return googleapi.Field("id,threadId,labelIds,snippet,internalDate,sizeEstimate,payload(" + part + ")")
}

func format(want email.Fields) string {
	if want == email.RawOnly {
		return "raw"
	}
	return "full"
}

// Message implements provider.MessageReader.
func (c *Connector) Message(ctx context.Context, a provider.Account, id string, want email.Fields) (email.Message, error) {
	if !validID(id) {
		return email.Message{}, provider.ErrMessageNotFound
	}
	r, release := c.open(a)
	defer release()
	return r.message(ctx, id, want)
}

func (r *reader) message(ctx context.Context, id string, want email.Fields) (email.Message, error) {
	g, err := r.get(ctx, id, format(want))
	if err != nil {
		return email.Message{}, err
	}
	m, err := r.read(ctx, g, want, false)
	if want == email.RawOnly {
		m = bare(m)
	}
	return m, err
}

// ListMessages implements provider.MessageLister. Without a folder it lists all mail but spam and trash.
func (c *Connector) ListMessages(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	if err := q.Check(); err != nil {
		return page, err
	}
	for _, id := range q.In {
		if !validID(id) {
			return page, provider.ErrFolderNotFound.At("in")
		}
	}
	token, err := pageToken(a, q)
	if err != nil {
		return page, err
	}
	r, release := c.open(a)
	defer release()
	if q.ThreadID != "" {
		return r.thread(ctx, q, token)
	}
	list, err := r.list(ctx, q, token)
	if err != nil {
		return page, err
	}
	ids := make([]string, 0, len(list.Messages))
	for _, m := range list.Messages {
		if m != nil && validID(m.Id) {
			ids = append(ids, m.Id)
		}
	}
	page.Items, err = r.fetch(ctx, q, ids, func(m email.Message, _ []string) bool { return fits(q, m) })
	if err != nil {
		return email.Page[email.Message]{}, err
	}
	page.Next = cursor(a, q, list.NextPageToken)
	return page, nil
}

// list asks for the ids of a page. Of the ways in which Gmail says 400 here only some name what is wrong.
func (r *reader) list(ctx context.Context, q email.Query, token string) (*api.ListMessagesResponse, error) {
	call := r.c.api.Users.Messages.List("me").MaxResults(int64(q.Size())).IncludeSpamTrash(hidden(q))
	if terms := search(q); terms != "" {
		call = call.Q(terms)
	}
	if ids := labels(q); len(ids) > 0 {
		call = call.LabelIds(ids...)
	}
	if token != "" {
		call = call.PageToken(token)
	}
	var list *api.ListMessagesResponse
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		list, err = call.Context(ctx).Do()
		return err
	})
	return list, refusedList(err, token)
}

// refusedList says what of a list request Gmail does not take.
func refusedList(err error, token string) error {
	d, refused := turnedDown(err)
	switch {
	case !refused && errors.Is(err, provider.ErrMessageNotFound):
		return errAnswer.Because(err)
	case !refused:
		return err
	case d.says("label"):
		return provider.ErrFolderNotFound.At("in").Because(d.cause())
	case token != "":
		return provider.ErrCursor.Because(d.cause())
	}
	return errQuery.Because(d.cause())
}

// fetch reads messages by id, a few at a time, and keeps those that pass. One that was deleted since is left out; any other failure
// fails the page, so that nothing is missing from it unseen.
func (r *reader) fetch(ctx context.Context, q email.Query, ids []string, pass func(email.Message, []string) bool) ([]email.Message, error) {
	found := make([]*email.Message, len(ids))
	var fields []googleapi.Field
	if q.NoBody && q.Fields != email.RawOnly {
		fields = append(fields, withoutTexts())
	}
	err := each(ctx, len(ids), func(ctx context.Context, i int) error {
		g, err := r.get(ctx, ids[i], format(q.Fields), fields...)
		if errors.Is(err, provider.ErrMessageNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		m, err := r.read(ctx, g, q.Fields, q.NoBody)
		if err == nil && pass(m, g.LabelIds) {
			found[i] = &m
		}
		return err
	})
	if err != nil {
		if _, ok := fault.As(err); !ok {
			err = errAnswer.Because(err)
		}
		return nil, err
	}
	out := make([]email.Message, 0, len(ids))
	for _, m := range found {
		if m == nil {
			continue
		}
		if q.Fields == email.RawOnly {
			*m = bare(*m)
		}
		out = append(out, *m)
	}
	return out, nil
}

// thread lists the messages of one conversation. Gmail answers it as a whole and oldest first; the cursor counts from the newest, by
// the number of messages below, so that new ones on top shift nothing.
func (r *reader) thread(ctx context.Context, q email.Query, token string) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	if !validID(q.ThreadID) {
		return page, nil
	}
	var g *api.Thread
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		g, err = r.c.api.Users.Threads.Get("me", q.ThreadID).Format("minimal").Context(ctx).Do()
		return err
	})
	if errors.Is(absent(err), provider.ErrMessageNotFound) {
		return page, nil // no such conversation: nothing matches
	}
	if err != nil {
		return page, err
	}
	var ids []string
	for _, m := range g.Messages {
		if m != nil && validID(m.Id) {
			ids = append(ids, m.Id)
		}
	}
	slices.Reverse(ids)
	skip := 0
	if token != "" {
		below, err := strconv.Atoi(token)
		if err != nil || below <= 0 || below > len(ids) {
			return page, provider.ErrCursor
		}
		skip = len(ids) - below
	}
	end := min(len(ids), skip+q.Size())
	page.Items, err = r.fetch(ctx, q, ids[skip:end], func(m email.Message, all []string) bool { return fitsThread(q, m, all) })
	if err != nil {
		return email.Page[email.Message]{}, err
	}
	if end < len(ids) {
		page.Next = cursor(r.account, q, strconv.Itoa(len(ids)-end))
	}
	return page, nil
}
