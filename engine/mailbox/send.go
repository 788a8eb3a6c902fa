package mailbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	keyLife    = time.Hour        // contract, section 7.4
	notesLife  = 10 * time.Second // to note how a send ended, also when the caller has left
	references = 30               // of a long conversation: the first, and the newest (RFC 5322 section 3.6.4 sets no bound, header lines do)
)

// Faults of sending once.
var (
	ErrKeyReused  = fault.New(fault.Conflict, "idempotency_conflict", "This Idempotency-Key was used for another message within the last hour. Use a new key for a new message.").At("Idempotency-Key")
	ErrKeyRunning = fault.New(fault.Conflict, "idempotency_running", "A request with this Idempotency-Key is being carried out. Ask again in a moment.").At("Idempotency-Key")
	ErrKeyUnknown = fault.New(fault.Conflict, "idempotency_running", "An earlier request with this Idempotency-Key ended without the provider's answer, so its message may have left. Look among the sent messages; to send it again, use a new key.").At("Idempotency-Key")

	errReplyTo = fault.New(fault.Invalid, "reply_to_unknown", "reply_to_message_id names no message of this mailbox.").At("reply_to_message_id")
)

// Sending is a message to send.
type Sending struct {
	Draft   email.Draft
	ReplyTo string    // id of the message that is answered; empty: none
	At      time.Time // when it is to leave; zero: now
	Key     string    // idempotency key; empty: none
	Digest  [32]byte  // of all that was asked for, to tell a repetition from another message
}

// Sent is what became of it.
type Sent struct {
	Message  email.Message
	Schedule models.Schedule // where it leaves later; then Message has no id
	Replayed bool            // it had left, or been scheduled, before, under the same key
}

// SendOnce sends a message; under an idempotency key only the first time within an hour. A repetition is answered with the message that left, or with its ids alone
// where the caller or the grant may not read it.
func (s *Service) SendOnce(ctx context.Context, actor models.Actor, g models.Grant, q Sending) (Sent, error) {
	if !actor.May(models.SendMessages) {
		return Sent{}, fault.New(fault.Denied, "permission_missing", "This key or role is not allowed to do that: it lacks %s.", models.SendMessages)
	}
	if q.Key == "" {
		return s.leave(ctx, actor, g, q)
	}
	now := s.now().UTC()
	keyed := hmac.New(sha256.New, []byte(q.Key))
	keyed.Write(q.Digest[:])
	hash := sha256.Sum256([]byte(q.Key))
	want := models.SendOnce{TenantID: g.TenantID, GrantID: g.ID, KeyHash: hash[:], RequestHash: keyed.Sum(nil), CreatedAt: now, ExpiresAt: now.Add(keyLife)}
	row, fresh := want, false
	err := s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) (err error) {
		row, fresh, err = tx.TakeSend(want)
		return err
	})
	switch {
	case err != nil:
		return Sent{}, fmt.Errorf("take an idempotency key: %w", err)
	case fresh:
	case !bytes.Equal(row.RequestHash, want.RequestHash):
		return Sent{}, ErrKeyReused
	case row.State == models.SendRunning:
		return Sent{}, ErrKeyRunning
	case row.State == models.SendUnknown:
		return Sent{}, ErrKeyUnknown
	case strings.HasPrefix(row.MessageID, scheduled):
		return s.scheduledBefore(ctx, g, q, strings.TrimPrefix(row.MessageID, scheduled))
	default:
		m, err := s.Message(ctx, actor, g, row.MessageID, email.Standard)
		if err != nil {
			m = email.Message{ID: row.MessageID, ThreadID: row.ThreadID, Date: row.CreatedAt}
		}
		return Sent{Message: m, Replayed: true}, nil
	}
	sent, err := s.leave(ctx, actor, g, q)
	row.State, row.MessageID, row.ThreadID = models.SendSent, sent.Message.ID, sent.Message.ThreadID
	if !sent.Schedule.ID.IsZero() {
		row.MessageID = scheduled + sent.Schedule.ID.String()
	}
	if err != nil {
		row.State = models.SendUnknown
	}
	s.noteSend(ctx, row, err != nil && stayed(err))
	return sent, err
}

// scheduled marks, in place of a message's id, the id of a schedule.
const scheduled = "schedule "

// leave sends now, or puts away for later.
func (s *Service) leave(ctx context.Context, actor models.Actor, g models.Grant, q Sending) (Sent, error) {
	if !q.At.IsZero() {
		return s.later(ctx, actor, g, q)
	}
	if err := s.answering(ctx, actor, g, &q); err != nil {
		return Sent{}, err
	}
	m, err := s.Send(ctx, actor, g, q.Draft)
	return Sent{Message: m}, err
}

func (s *Service) scheduledBefore(ctx context.Context, g models.Grant, q Sending, id string) (Sent, error) {
	out := Sent{Message: outline(g, q.Draft), Replayed: true}
	schedule, err := models.ParseID[models.ScheduleID](id)
	if err != nil {
		return out, fmt.Errorf("read a schedule's id: %w", err)
	}
	err = s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) (err error) {
		out.Schedule, err = tx.Schedule(g.TenantID, schedule)
		return err
	})
	return out, err
}

// noteSend writes how a send ended. The caller may have left meanwhile. What cannot be noted stays running until it runs out: that keeps the promise, too.
func (s *Service) noteSend(ctx context.Context, row models.SendOnce, free bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notesLife)
	defer cancel()
	err := s.store.InTenant(ctx, row.TenantID, func(tx *store.Tx) error {
		if free {
			return tx.FreeSend(row)
		}
		return tx.MarkSend(row)
	})
	if err != nil {
		s.log.WarnContext(ctx, "the end of a send was not noted", "grant", row.GrantID, "error", err)
	}
}

// stayed says that a send that failed surely did not happen, so that it may be tried again under the same key.
func stayed(err error) bool {
	for _, before := range []error{provider.ErrUnreachable, provider.ErrCertificate, provider.ErrNoTLS} {
		if errors.Is(err, before) {
			return true
		}
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Unproven, fault.Denied, fault.NotFound, fault.Conflict, fault.Gone, fault.Limited:
		return true
	default:
		return false
	}
}

// answering puts a message into the conversation of the one that it answers. That message's ids are looked up for a caller who may send, whether or not they may read:
// nothing of it is shown.
func (s *Service) answering(ctx context.Context, actor models.Actor, g models.Grant, q *Sending) error {
	if q.ReplyTo == "" {
		return nil
	}
	var original email.Message
	err := s.with(ctx, actor, g, models.SendMessages, provider.ReadMail, func(c provider.Connector, a provider.Account) (err error) {
		reader, ok := c.(provider.MessageReader)
		if !ok {
			return errNotOffered
		}
		original, err = reader.Message(ctx, a, q.ReplyTo, email.WithBasicHeaders)
		return err
	})
	if errors.Is(err, provider.ErrMessageNotFound) {
		return errReplyTo.Because(err)
	}
	if err != nil {
		return err
	}
	q.Draft.InReplyTo, q.Draft.References = original.MessageID, chain(original)
	return nil
}

// chain is the references of an answer to m (RFC 5322 section 3.6.4).
func chain(m email.Message) []string {
	out := m.References
	if len(out) == 0 && len(m.InReplyTo) == 1 {
		out = m.InReplyTo
	}
	if m.MessageID != "" {
		out = append(out[:len(out):len(out)], m.MessageID)
	}
	if len(out) > references {
		out = append(out[:1:1], out[len(out)-references+1:]...)
	}
	return out
}
