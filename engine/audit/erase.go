package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Erasure is what was taken out, or would be.
type Erasure struct {
	Member   bool // the address is a member's: what they did is among it
	Entries  int  // audit entries of which something goes
	Fields   int  // names, addresses and details in them
	Whole    int  // entries from before single fields could be erased: all four go, a document's digest with them
	Accesses int64
	Live     int // grants of that mailbox that are still there: they will name it again
}

// errPerson says that a person was not named.
var errPerson = fault.New(fault.Invalid, "bad_person", "Name the person by their mail address, or a member by their id.").At("person")

// tokenLabel is how the access ledger and the audit name an access token: by the mailbox that it opens.
const tokenLabel = "Access token for "

// person is who is erased: ids and texts by which entries name them.
type person struct {
	ids   []string
	email string // lower case; empty: only the ids and the name are known
	name  string // of a member
	whole *regexp.Regexp
}

// Erase takes a person's name, mail address and network addresses out of the audit entries, and their mailbox out of the access ledger's labels. who is a mail address or a member's id; dsn is the owner's address of the
// database. What stays: that something was done, when, to which id, by which id, with what outcome. Leaves, checkpoints and proofs stay as they are; bundles exported before still verify and
// still hold what they held, and so do backups. dry counts and changes nothing.
//
// An entry whose leaf would not be the same afterwards ends the erasure with an error and nothing is changed: somebody altered it before.
func (l *Log) Erase(ctx context.Context, actor models.Actor, dsn, who string, dry bool) (Erasure, error) {
	var e Erasure
	p, err := l.person(ctx, who, &e)
	if err != nil {
		return e, err
	}
	for {
		n, err := l.SequenceOnce(ctx) // an entry without a leaf has nothing yet that could stand for it
		if err != nil {
			return e, err
		}
		if n == 0 {
			break
		}
	}
	found := e
	err = l.store.AsEraser(ctx, dsn, func(tx *store.Tx) error {
		e = found
		return l.erase(ctx, tx, actor, p, dry, &e)
	})
	if err != nil {
		return e, fmt.Errorf("erase a person from the audit: %w", err)
	}
	if dry || e.Entries == 0 && e.Accesses == 0 {
		return e, nil
	}
	return e, store.Vacuum(ctx, dsn, "audit_entries", "access_ledger")
}

// person finds out by what a person is named, and how much of them is still in use.
func (l *Log) person(ctx context.Context, who string, e *Erasure) (person, error) {
	who = strings.TrimSpace(who)
	p := person{email: strings.ToLower(who)}
	err := l.store.OnPlatform(ctx, "find a person to erase", func(tx *store.Tx) error {
		var m models.Member
		id, err := models.ParseID[models.MemberID](who)
		switch {
		case err == nil:
			p.email = ""
			if m, err = tx.Member(id); errors.Is(err, store.ErrNotFound) {
				m.ID, err = id, nil // the member is gone; their entries are not
			}
		case strings.Count(who, "@") == 1 && len(who) > 2:
			if m, err = tx.MemberByEmail(who); errors.Is(err, store.ErrNotFound) {
				err = nil
			}
		default:
			return errPerson
		}
		if err != nil {
			return err
		}
		if !m.ID.IsZero() {
			p.ids, p.name, e.Member = []string{m.ID.String()}, m.Name, true
			if m.Email != "" {
				p.email = strings.ToLower(m.Email)
			}
		}
		if p.email == "" {
			return nil
		}
		live, err := tx.Grants(store.GrantQuery{Email: p.email, Limit: 1000})
		e.Live = len(live)
		return err
	})
	if p.email != "" {
		// The address by itself, not as the end of a longer one.
		p.whole = regexp.MustCompile(`(?i)(^|[^a-z0-9.!#$%&'*+/=?^_{|}~-])` + regexp.QuoteMeta(p.email) + `($|[^a-z0-9.-]|\.($|[^a-z0-9]))`)
	}
	return p, err
}

// erasedPage is how many entries are looked at in one turn.
const erasedPage = 500

func (l *Log) erase(ctx context.Context, tx *store.Tx, actor models.Actor, p person, dry bool, e *Erasure) error {
	q := store.PersonQuery{IDs: p.ids, Limit: erasedPage}
	for _, text := range []string{p.email, strings.ToLower(p.name)} {
		if text != "" {
			q.Texts = append(q.Texts, text)
		}
	}
	for {
		rows, err := tx.EntriesNaming(q)
		if err != nil {
			return err
		}
		for _, row := range rows {
			fields := p.fieldsOf(row.AuditEntry)
			if len(fields) == 0 {
				continue
			}
			gone, err := without(row, fields)
			if err != nil {
				return err
			}
			e.Entries++
			e.Fields += len(gone.Erased) - len(row.Erased)
			if row.Version == 1 {
				e.Whole++
			}
			if !dry {
				if err := tx.EraseAuditFields(gone); err != nil {
					return err
				}
			}
		}
		if len(rows) < erasedPage {
			break
		}
		q.After = rows[len(rows)-1].ID
	}
	if err := p.labels(tx, dry, e); err != nil {
		return err
	}
	if dry || e.Entries == 0 && e.Accesses == 0 {
		return nil
	}
	return l.keeper.Append(ctx, tx, actor, Entry{Action: "audit.erase", ObjectKind: "audit", ObjectID: "log", Object: "audit log",
		Detail: map[string]string{"entries": strconv.Itoa(e.Entries), "accesses": strconv.FormatInt(e.Accesses, 10)}})
}

func (p person) labels(tx *store.Tx, dry bool, e *Erasure) (err error) {
	if p.email == "" {
		return nil
	}
	if dry {
		e.Accesses, err = tx.CountAccessLabels(tokenLabel + p.email)
	} else {
		e.Accesses, err = tx.EraseAccessLabels(tokenLabel+p.email, tokenLabel+store.Erased)
	}
	return err
}

// fieldsOf names the personal fields of an entry that are about the person and are still there.
func (p person) fieldsOf(e models.AuditEntry) []string {
	var out []string
	did := p.isOne(e.ActorID)
	for name, value := range personal(e) {
		var theirs bool
		switch name {
		case "actor":
			theirs = did || p.named(value)
		case "address":
			theirs = did || p.named(e.Actor) && e.ActorKind == models.ActorMember
		case "object":
			theirs = p.isOne(e.ObjectID) || p.named(value)
		default:
			theirs = p.named(value)
		}
		if theirs && e.Erased[name] == "" {
			out = append(out, name)
		}
	}
	return out
}

func (p person) isOne(id string) bool {
	for _, own := range p.ids {
		if own == id {
			return true
		}
	}
	return false
}

func (p person) named(text string) bool {
	return p.whole != nil && p.whole.MatchString(text) || p.name != "" && strings.EqualFold(strings.TrimSpace(text), p.name)
}

// without gives the entry with fields erased. Its leaf must be the one that is in the log, before and after.
func without(row store.SequencedEntry, fields []string) (models.AuditEntry, error) {
	e := row.AuditEntry
	if err := same(row, e); err != nil {
		return e, err
	}
	gone := e
	gone.Erased, gone.Salts, gone.Detail, gone.Salt = models.Settings{}, models.Settings{}, models.Settings{}, nil
	for name, value := range e.Detail {
		gone.Detail[name] = value
	}
	if row.Version == 1 {
		o := opened(e)
		gone.Erased["actor"], gone.Erased["object"], gone.Erased["detail"], gone.Erased["address"] = o.commitments()
		fields = fields[:0:0]
		for name := range personal(e) {
			fields = append(fields, name)
		}
	} else {
		for name, commitment := range e.Erased {
			gone.Erased[name] = commitment
		}
		left := shown(e)
		for _, name := range fields {
			gone.Erased[name] = left[name].commit(name)
			delete(left, name)
		}
		for name, o := range left {
			gone.Salts[name] = o.Salt
		}
	}
	for _, name := range fields {
		switch name {
		case "actor":
			gone.Actor = store.Erased
		case "object":
			gone.Object = store.Erased
		case "address":
			gone.Address = store.Erased
		default:
			gone.Detail[strings.TrimPrefix(name, detailPrefix)] = store.Erased
		}
	}
	return gone, same(row, gone)
}

// same holds an entry against its leaf's hash in the log.
func same(row store.SequencedEntry, e models.AuditEntry) error {
	text, err := Leaf(e, row.Version)
	if err != nil {
		return err
	}
	if hash := hashOf(text); !bytes.Equal(hash[:], row.Hash) {
		return fmt.Errorf("entry %d is not the one that is in the log: somebody altered it. Export the log and verify it", row.Index)
	}
	return nil
}
