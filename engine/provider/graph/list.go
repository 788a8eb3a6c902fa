package graph

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	mostLooked  = 1000 // messages that one page looks at before it answers what it has
	mostFetches = 20   // requests for one page
	mostTop     = 1000 // $top
)

var errIn = fault.New(fault.Invalid, "in_invalid", "A mailbox at Microsoft is listed one folder at a time, or whole. Name one folder or none.").At("in")

// ListMessages lists the whole mailbox, or one folder, newest first by the time of receipt. A page may be short and still have a next one. Filters on
// recipients go through Microsoft's search index, which learns of new mail some moments late.
func (c *Connector) ListMessages(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	if err := q.Check(); err != nil {
		return page, err
	}
	if len(q.In) > 1 {
		return page, errIn
	}
	l := lister{q: q, path: "/me/messages"}
	if len(q.In) == 1 {
		folder, err := folderPath(q.In[0])
		if err != nil {
			return page, err
		}
		l.path, l.missing = folder+"/messages", provider.ErrFolderNotFound
	}
	if q.Cursor != "" {
		var err error
		if l.place, err = readCursor(q.Cursor, q); err != nil {
			return page, err
		}
	}
	err := c.with(ctx, a, func(k *call) (err error) {
		l.call = k
		page, err = l.list()
		return err
	})
	return page, err
}

type lister struct {
	*call
	q       email.Query
	path    string
	missing *fault.Error
	place   place
	kept    []wireMessage
	bare    bool // attachments were not in the answer
	byTime  bool // the next page begins below a time
}

func (l *lister) list() (email.Page[email.Message], error) {
	var next string
	var err error
	if l.q.Native != "" {
		if kql, own := native(l.q.Native); own != "" {
			next, err = l.followed(params{"$filter", own}, errQuery)
		} else {
			next, err = l.followed(params{"$search", quoted(kql)}, errQuery)
		}
	} else if l.q.ThreadID != "" {
		next, err = l.conversation()
	} else if kql, ok := search(l.q); ok && l.place.before.IsZero() {
		next, err = l.followed(params{"$search", quoted(kql)}, errRefused)
		if errors.Is(err, errRefused) && l.place.link == "" {
			next, err = l.filtered()
		}
	} else {
		next, err = l.filtered()
	}
	if err != nil {
		return email.Page[email.Message]{}, err
	}
	items, cut, err := l.finish()
	if cut >= 0 { // what was kept is more than one answer should hold
		next = l.cutAt(cut)
	}
	return email.Page[email.Message]{Items: items, Next: next}, err
}

// fetch asks for one page. A page too heavy for one answer is asked for again with fewer messages.
func (l *lister) fetch(query params, rawQuery string, top int) (items []wireMessage, link string, err error) {
	for {
		var answer struct {
			Value []wireMessage `json:"value"`
			Next  string        `json:"@odata.nextLink"`
		}
		r := request{method: http.MethodGet, path: l.path, rawQuery: rawQuery, missing: l.missing}
		if rawQuery == "" {
			r.query = append(slices.Clone(query), "$top", strconv.Itoa(min(top, mostTop)), "$select", fields(l.q.Fields, l.q.NoBody || l.q.Fields == email.RawOnly))
		}
		err := l.json(r, &answer)
		if errors.Is(err, provider.ErrTooLarge) && rawQuery == "" && top > 1 {
			top = max(1, top/4)
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if answer.Next != "" {
			if link, err = l.next(answer.Next); err != nil {
				return nil, "", err
			}
		}
		return answer.Value, link, nil
	}
}

// next takes the query out of a link to the next page. The link's host must be the one that was asked, and its path is not used: a token goes nowhere
// that an answer names.
func (k *call) next(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil || u.RawQuery == "" || len(u.RawQuery) > longLink || u.Host != "" && (u.Scheme != k.c.graph.Scheme || !strings.EqualFold(u.Host, k.c.graph.Host)) {
		return "", errUpstream.Because(errors.New("the link to the next page leads elsewhere"))
	}
	q := strings.ReplaceAll(u.RawQuery, " ", "%20")
	if !queryText(q) {
		return "", errUpstream.Because(errors.New("the link to the next page cannot be read"))
	}
	return q, nil
}

// filtered walks down the time of receipt. What Microsoft refuses to filter by is decided here.
func (l *lister) filtered() (string, error) {
	l.byTime = l.place.link == ""
	before, seen := l.place.before, slices.Clone(l.place.seen)
	floor, known := before, l.place.seen
	coarse, rawQuery := false, l.place.link
	looked := 0
	for range mostFetches {
		query := params{"$filter", filter(l.q, before, coarse), "$orderby", "receivedDateTime desc"}
		if l.q.Fields != email.RawOnly && !l.bare {
			query = append(query, "$expand", expanded)
		}
		items, link, err := l.fetch(query, rawQuery, l.q.Size()-len(l.kept)+len(seen))
		if errors.Is(err, errRefused) && rawQuery == "" {
			switch {
			case !coarse && len(clauses(l.q)) > 0:
				coarse = true
				continue
			case !l.bare && l.q.Fields != email.RawOnly:
				l.bare = true
				continue
			}
		}
		if err != nil {
			return "", err
		}
		for _, w := range items {
			second := secondOf(w)
			if !floor.IsZero() && (second.After(floor) || second.Equal(floor) && slices.Contains(known, idSum(w.ID))) {
				continue // shown before
			}
			if len(l.kept) == l.q.Size() {
				return l.below(before, seen, ""), nil
			}
			if !second.Equal(before) {
				before, seen = second, nil
			}
			seen = append(seen, idSum(w.ID))
			looked++
			if fits(l.q, w) {
				l.kept = append(l.kept, w)
			}
		}
		switch {
		case link == "":
			return "", nil
		case len(l.kept) == l.q.Size() || looked >= mostLooked:
			return l.below(before, seen, link), nil
		}
		rawQuery = link
	}
	return l.below(before, seen, rawQuery), nil
}

// below is the cursor of what follows. A second with more messages than a cursor holds is left to Microsoft's link.
func (l *lister) below(before time.Time, seen []uint64, link string) string {
	if before.IsZero() || len(seen) > mostSeen {
		if link == "" {
			return ""
		}
		return place{link: link}.cursor(l.q)
	}
	return place{before: before, seen: seen}.cursor(l.q)
}

// secondOf is the second of receipt; a message without any time is as old as can be.
func secondOf(w wireMessage) time.Time {
	if t := w.at().Truncate(time.Second); t.Unix() > 0 {
		return t
	}
	return time.Unix(1, 0).UTC()
}

// conversation reads a whole thread and orders it here: with $orderby Microsoft calls this filter too complex.
func (l *lister) conversation() (string, error) {
	id, ok := theirID(l.q.ThreadID)
	if !ok {
		return "", nil
	}
	var all []wireMessage
	rawQuery := ""
	for range mostFetches {
		items, link, err := l.fetch(params{"$filter", "conversationId eq " + literal(id)}, rawQuery, 100)
		if fault.KindOf(err) == fault.NotFound || errors.Is(err, errRefused) { // an id that cannot be one
			if l.missing != nil {
				_, err := l.folder(l.q.In[0])
				return "", err
			}
			return "", nil
		}
		if err != nil {
			return "", err
		}
		all = append(all, items...)
		if rawQuery = link; link == "" || len(all) >= mostLooked {
			break
		}
	}
	l.bare, l.byTime = true, true
	slices.SortStableFunc(all, func(a, b wireMessage) int { return b.at().Compare(a.at()) })
	before, seen := l.place.before, slices.Clone(l.place.seen)
	for _, w := range all {
		second := secondOf(w)
		if !l.place.before.IsZero() && (second.After(l.place.before) || second.Equal(l.place.before) && slices.Contains(l.place.seen, idSum(w.ID))) || !fits(l.q, w) {
			continue
		}
		if len(l.kept) == l.q.Size() {
			return l.below(before, seen, ""), nil
		}
		if !second.Equal(before) {
			before, seen = second, nil
		}
		seen = append(seen, idSum(w.ID))
		l.kept = append(l.kept, w)
	}
	return "", nil
}

// followed goes from link to link. A page of Microsoft's is taken whole or left for the next page of ours.
func (l *lister) followed(query params, refused *fault.Error) (string, error) {
	l.bare = true // Microsoft does not say that $expand goes with $search
	rawQuery := l.place.link
	looked := 0
	for range mostFetches {
		top := l.q.Size()
		if l.q.Fields == email.RawOnly {
			top = min(top, 20) // whole messages are heavy, and this page cannot be cut
		}
		items, link, err := l.fetch(query, rawQuery, top)
		if errors.Is(err, errRefused) {
			return "", refused.Because(errors.Unwrap(err))
		}
		if err != nil {
			return "", err
		}
		looked += len(items)
		var fit []wireMessage
		for _, w := range items {
			if fits(l.q, w) {
				fit = append(fit, w)
			}
		}
		if len(l.kept)+len(fit) > l.q.Size() && rawQuery != "" && len(l.kept) > 0 {
			return place{link: rawQuery}.cursor(l.q), nil
		}
		l.kept = append(l.kept, fit...)
		switch {
		case link == "":
			return "", nil
		case len(l.kept) >= top || looked >= mostLooked:
			return place{link: link}.cursor(l.q), nil
		}
		rawQuery = link
	}
	return place{link: rawQuery}.cursor(l.q), nil
}

// cutAt is the cursor after the first n messages kept, where lists go by time.
func (l *lister) cutAt(n int) string {
	last := secondOf(l.kept[n-1])
	var seen []uint64
	if last.Equal(l.place.before) {
		seen = slices.Clone(l.place.seen)
	}
	for _, w := range l.kept[:n] {
		if secondOf(w).Equal(last) {
			seen = append(seen, idSum(w.ID))
		}
	}
	return place{before: last, seen: seen}.cursor(l.q)
}
