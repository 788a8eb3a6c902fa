package verifications

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// noting is one row on its way into the log.
type noting struct {
	row       models.Verification
	signature []byte // genuine, or presented; nil: none
}

// errRow is a row that the database did not take, while it took others. The log of the process says why.
var errRow = errors.New("the database refused this row")

// note writes the row, and for a genuine event that it was seen. Rows of calls that came at the same time share one commit; when note returns without
// an error, this row's is done. An error says that the sender must try again: the row may be there all the same, and then its next attempt is a duplicate.
func (s *Service) note(ctx context.Context, row models.Verification, signature []byte) (models.Verification, error) {
	out, written, err := s.notes.ask(ctx, &noting{row, signature})
	if err == nil && !written {
		err = errRow
	}
	if err != nil {
		return row, fmt.Errorf("write the verification log: %w", err)
	}
	return out, nil
}

// write is the one writer of this process: it commits all that are waiting at once. One wait for the disk serves hundreds of calls, and no call
// waits for a connection. Where the database refuses the whole, each is tried alone, so that one row that it cannot take stops no other.
func (s *Service) write(ctx context.Context, asked map[*noting]int) (map[*noting]models.Verification, error) {
	out, err := s.commit(ctx, asked)
	if err == nil || len(asked) == 1 || ctx.Err() != nil || fault.KindOf(err) == fault.Unavailable {
		return out, err
	}
	s.log.WarnContext(ctx, "a load of the verification log was refused; its rows are written one by one", "rows", len(asked), "error", err)
	out = make(map[*noting]models.Verification, len(asked))
	for n := range asked {
		one, err := s.commit(ctx, map[*noting]int{n: 1})
		if err != nil {
			s.log.ErrorContext(ctx, "a row of the verification log was refused", "endpoint", spell(n.row.EndpointID), "reason", n.row.Reason, "error", err)
			continue // its caller is given no row: see note
		}
		out[n] = one[n]
	}
	return out, nil
}

// commit writes a load in one transaction.
func (s *Service) commit(ctx context.Context, asked map[*noting]int) (map[*noting]models.Verification, error) {
	var out map[*noting]models.Verification
	var l *logging
	err := s.store.OnPlatform(ctx, "write the verification log", func(tx *store.Tx) error {
		out = make(map[*noting]models.Verification, len(asked))
		l = &logging{tx: tx, digestKey: s.digestKey, rows: make([]placed, 0, len(asked)), used: map[store.Used]time.Time{}}
		for n := range asked {
			l.rows = append(l.rows, l.take(n))
		}
		if err := l.place(); err != nil {
			return err
		}
		maps.DeleteFunc(l.used, func(u store.Used, at time.Time) bool { return at.Sub(s.marked[u]) < store.HealthGrain })
		if err := tx.MarkInboundSecretsAccepted(l.used); err != nil {
			return err
		}
		at, list := s.now(), make([]models.Verification, len(l.rows))
		for i, p := range l.rows {
			p.row.LatencyUS = int(min(at.Sub(p.row.At).Microseconds(), int64(time.Hour/time.Microsecond)))
			list[i], out[p.of] = p.row, p.row
		}
		return tx.InsertVerifications(list)
	})
	if err == nil {
		maps.Copy(s.marked, l.used)
	}
	return out, err
}

// logging is one load while it is placed: what only the database knows of each row is found out for all of them together.
type logging struct {
	tx        *store.Tx
	digestKey []byte
	rows      []placed
	used      map[store.Used]time.Time // secrets that were proven, and when
}

type placed struct {
	of     *noting
	row    models.Verification
	digest string // of the signature; empty: nothing is asked about it
}

// take copies the row: a load that is run again begins anew.
func (l *logging) take(n *noting) placed {
	p := placed{of: n, row: n.row}
	if n.row.EndpointID == nil || n.signature == nil || n.row.Verdict == refused && n.row.Reason != WrongSecret {
		return p
	}
	scope := [16]byte(*n.row.EndpointID)
	if n.row.WebhookID != nil {
		scope = *n.row.WebhookID
	}
	p.digest = string(models.SignatureDigest(l.digestKey, scope, n.signature))
	return p
}

// place says whether each event was seen before, whose it is, and whether a refused signature is that of another body.
func (l *logging) place() error {
	var doubted [][]byte
	events, signatures := map[store.Seen]time.Time{}, map[string]time.Time{}
	for _, p := range l.rows {
		switch {
		case p.digest == "":
		case p.row.Verdict == refused:
			doubted = append(doubted, []byte(p.digest))
		default:
			events[p.seen()], signatures[p.digest] = p.row.At, p.row.At
			if p.row.Source != selfKind && p.row.Generation > 0 {
				l.used[store.Used{Endpoint: *p.row.EndpointID, Generation: p.row.Generation}] = p.row.At
			}
		}
	}
	if len(doubted) > 0 {
		if err := l.doubt(doubted); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		return nil
	}
	again, known, err := l.tx.NoteGenuine(events, signatures)
	if err != nil {
		return err
	}
	l.count(again, known)
	return l.own()
}

func (p placed) seen() store.Seen {
	return store.Seen{Endpoint: *p.row.EndpointID, Event: p.row.EventID}
}

// doubt tells an altered body from a wrong secret. A MAC alone cannot; a signature that was genuine once can: its body was another one.
func (l *logging) doubt(digests [][]byte) error {
	known, err := l.tx.KnownSignatures(digests)
	for i := range l.rows {
		p := &l.rows[i]
		if _, is := known[p.digest]; is && p.row.Verdict == refused {
			p.row.Reason = AlteredBody
		}
	}
	return err
}

// count lets each event count once. The database says which of the load's events and signatures had come before; of equal ones in one load the first here counts, and with
// it the others have come before.
func (l *logging) count(again map[store.Seen]struct{}, known map[string]struct{}) {
	for i := range l.rows {
		p := &l.rows[i]
		if p.digest == "" || p.row.Verdict == refused {
			continue
		}
		e := p.seen()
		_, seen := again[e]
		again[e] = struct{}{}
		_, used := known[p.digest]
		known[p.digest] = struct{}{}
		switch {
		case p.row.Source == KindStandard && used:
			// Each attempt of a sender names its own time, so the same signature is the same call. It is answered like a duplicate: an event counts once.
			p.row.Verdict, p.row.Reason = refused, Replayed
		case seen:
			p.row.Reason = Duplicate
		}
	}
}

// own finds whose our own events are: they name no tenant on the way.
func (l *logging) own() error {
	of, sent := map[int]store.Sent{}, []store.Sent{}
	for i, p := range l.rows {
		if p.digest == "" || p.row.Source != selfKind || p.row.WebhookID == nil || p.row.Verdict == refused {
			continue
		}
		if event, err := models.ParseID[models.EventID](p.row.EventID); err == nil { // else another sender's id: it is no event of ours
			of[i] = store.Sent{Webhook: *p.row.WebhookID, Event: event}
			sent = append(sent, of[i])
		}
	}
	if len(sent) == 0 {
		return nil
	}
	tenants, err := l.tx.TenantsOfEvents(sent)
	for i, s := range of {
		if tenant, found := tenants[s]; found {
			l.rows[i].row.TenantID = tenant
		}
	}
	return err
}
