package graph

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	// What a delta query says of a message: whether it is new, and whether it was changed since. Its content is asked for where somebody wants it.
	deltaFields = "id,createdDateTime,lastModifiedDateTime,changeKey"
	mostMade    = 20_000 // ids that are remembered of the last day
	mostTold    = 128    // messages told last that are remembered with their change keys
	// Clocks here and at Microsoft differ: what was changed so long before the last look may not have been told.
	clockSlack = 2 * time.Minute
)

type deltaMessage struct {
	wireMessage
	Removed *removed `json:"@removed"`
}

// messages reads what changed in a folder ("message: delta"), page by page, until all is read or the look is full.
func (l *looker) messages(id string, f *folder) error {
	theirs, ok := theirID(id)
	if !ok {
		return nil
	}
	quiet := !f.Within && f.Link != "" // an answer without messages leaves the link good
	resumed := f.Within                // the round began at an earlier look: what changed since then is in the next one
	for {
		r := request{method: http.MethodGet, path: deltaPath(theirs), rawQuery: f.Link, pageSize: provider.MostChanges / 2, missing: provider.ErrFolderNotFound}
		if f.Link == "" {
			r.query = params{"$select", deltaFields}
		}
		if f.First || f.Since > 0 {
			r.pageSize = atFirst
		}
		var answer struct {
			Value []deltaMessage `json:"value"`
			links
		}
		err := l.json(r, &answer)
		switch {
		case errors.Is(err, provider.ErrFolderNotFound):
			return nil // deleted since: the next list of folders says so
		case errors.Is(err, errResync) && f.Link != "":
			l.anew(f)
			quiet = false
			continue
		case err != nil:
			return err
		}
		next, err := l.follow(answer.links)
		if err != nil {
			return err
		}
		if err := l.take(f, answer.Value); err != nil {
			return err
		}
		if quiet = quiet && len(answer.Value) == 0; quiet && !next.Within && !l.fresh {
			return nil
		}
		f.Link, f.Within, l.touched = next.Link, next.Within, true
		if len(answer.Value) > 0 || f.Within {
			l.pages++
		}
		if !f.Within {
			f.First, f.Since = false, 0
			if !resumed || l.full() {
				l.out.More = l.out.More || resumed
				return nil
			}
			resumed = false
			continue
		}
		if l.full() {
			return nil
		}
	}
}

// anew reads a folder from its start: Microsoft has forgotten how far it was read. What was made or changed since the last look is told; what was deleted since then is not
// known any more.
func (l *looker) anew(f *folder) {
	f.Link, f.Within, l.touched = "", false, true
	if !f.First && f.Since == 0 {
		f.Since = time.Unix(l.at.At, 0).Add(-clockSlack).Unix()
	}
}

// news is a message to be told.
type news struct {
	id, changeKey string // Microsoft's
	kind          provider.ChangeKind
}

// take takes a page in, the oldest first.
func (l *looker) take(f *folder, page []deltaMessage) error {
	slices.SortStableFunc(page, func(a, b deltaMessage) int { return a.Created.Compare(b.Created) })
	var list []news
	for _, m := range page {
		switch {
		case m.ID == "" || l.told[m.ID]:
			continue
		case m.Removed != nil:
			l.removed = append(l.removed, m.ID)
			continue
		}
		isNew := l.isNew(m.wireMessage)
		if f.First || !isNew && f.Since > 0 && m.Modified.Unix() < f.Since {
			continue
		}
		list = append(list, newsOf(m.wireMessage, isNew))
	}
	return l.news(list)
}

func newsOf(m wireMessage, isNew bool) news {
	if isNew {
		return news{m.ID, m.ChangeKey, provider.MessageCreated}
	}
	return news{m.ID, m.ChangeKey, provider.MessageUpdated}
}

// isNew says that a message was not known, and makes it known. A delta query does not tell new ones from changed ones. Those made before the last day are known, whatever there
// were; of those since, sums of their ids are kept. It is Microsoft's time alone that is compared.
func (l *looker) isNew(m wireMessage) bool {
	at := hour(m.Created)
	if at < l.at.Floor || slices.Contains(l.at.Made[at], idSum(m.ID)) {
		return false
	}
	l.at.Made[at], l.touched = append(l.at.Made[at], idSum(m.ID)), true
	return true
}

// prune forgets what is more than a day older than the newest message, and more where that is too much.
func (l *looker) prune() {
	newest, sum := int64(0), 0
	for at, ids := range l.at.Made {
		newest = max(newest, at)
		sum += len(ids)
	}
	floor := max(l.at.Floor, min(newest, hour(l.began))-24)
	for at := l.at.Floor; sum > mostMade && at < newest; at++ {
		sum -= len(l.at.Made[at])
		floor = max(floor, at+1)
	}
	l.at.Floor = floor
	for at := range l.at.Made {
		if at < floor {
			delete(l.at.Made, at)
		}
	}
}

// news reads the messages that somebody wants, and tells. One that is gone again is left out: its removal is told by the next look.
func (l *looker) news(list []news) error {
	list = slices.DeleteFunc(list, l.knows)
	got := make([]*email.Message, len(list))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, n := range list {
		if !l.wanted[n.kind] {
			continue
		}
		g.Go(func() error {
			m, err := l.message("/me/messages/"+url.PathEscape(n.id), ourID(n.id), email.Standard)
			if errors.Is(err, provider.ErrMessageNotFound) {
				return nil
			}
			got[i] = &m
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, n := range list {
		if l.wanted[n.kind] && got[i] == nil {
			continue
		}
		l.told[n.id] = true
		l.at.Told = append(l.at.Told, n.sums())
		l.tell(provider.MailboxChange{Kind: n.kind, ID: ourID(n.id), Mark: n.changeKey, Message: got[i]})
	}
	l.at.Told = l.at.Told[max(0, len(l.at.Told)-mostTold):]
	return nil
}

func (n news) sums() [2]uint64 { return [2]uint64{idSum(n.id), idSum(n.changeKey)} }

// knows says that a message was told as it is now: Microsoft says some things twice ("Replays"), and of one that moved both folders speak.
func (l *looker) knows(n news) bool {
	return n.kind == provider.MessageUpdated && n.changeKey != "" && slices.Contains(l.at.Told, n.sums())
}

// settle says what became of messages that left a folder. Microsoft says "deleted" of one that was moved, and, since ids outlive a move, says nothing more of one that was moved
// away and back: so each is asked for.
func (l *looker) settle() error {
	bin := "" // what a person cannot see any more, and their administrator still can
	for _, id := range l.removed {
		if l.told[id] {
			continue
		}
		if bin == "" {
			var err error
			if bin, err = l.special("recoverableitemsdeletions"); err != nil {
				return err
			}
		}
		var m wireMessage
		err := l.json(request{method: http.MethodGet, path: "/me/messages/" + url.PathEscape(id), query: params{"$select", deltaFields + ",parentFolderId"}}, &m)
		switch {
		case errors.Is(err, provider.ErrMessageNotFound), err == nil && m.Folder == bin && bin != "":
			l.told[id] = true
			l.tell(provider.MailboxChange{Kind: provider.MessageDeleted, ID: ourID(id)})
			continue
		case err != nil:
			return err
		}
		m.ID = id
		if err := l.news([]news{newsOf(m, l.isNew(m))}); err != nil {
			return err
		}
	}
	return nil
}
