package verifications

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// signatureHeader is that of a v3 sender.
const signatureHeader = "X-Nylas-Signature"

// The kinds of endpoints, and the sources of the log that are none.
const (
	selfKind       = "self"
	KindV3         = "v3"       // Nylas' cloud, or another Postern
	KindStandard   = "standard" // a sender by Standard Webhooks
	receiverSource = "receiver" // the company's own receiver reports what it found
	unknownSource  = "unknown"
)

// The two verdicts.
const (
	accepted = "accepted"
	refused  = "refused"
)

// endedKeys is how many secrets that have ended are still compared, to name the mistake.
const endedKeys = 2

// roomAhead is the most that is set aside for a body before it has come.
const roomAhead = 16 << 10

// Request is one inbound call as the door saw it. Body is read here, and only where the endpoint exists.
type Request struct {
	Endpoint string // as it stood in the path
	Header   http.Header
	Length   int64 // Content-Length; -1: not said
	Body     io.Reader
	Addr     netip.Addr
}

// Receive checks one call and writes its row in the log; the row's Verdict and Reason say what to answer. An accepted event is recorded as seen
// in the transaction of its row: of any number of equal calls one is OK and the others are Duplicate, also accepted. An error means that nothing
// was logged and the sender must try again.
func (s *Service) Receive(ctx context.Context, r Request) (models.Verification, error) {
	start := s.now()
	row := models.Verification{ID: models.NewID[models.VerificationID](start), At: start, Source: unknownSource, Verdict: refused}
	if r.Addr.IsValid() {
		row.Address = r.Addr.Unmap().WithZone("").String()
	}
	source, err := s.find(ctx, r.Endpoint)
	if errors.Is(err, store.ErrNotFound) {
		row.Reason = UnknownEndpoint
		return s.refuse(ctx, row, nil)
	}
	if err != nil {
		return row, err
	}
	e := source.endpoint
	row.Source, row.EndpointID, row.ApplicationID, row.WebhookID = e.Kind, &e.ID, &e.ApplicationID, e.WebhookID
	if e.Kind != selfKind {
		row.TenantID = e.TenantID
	}
	if e.PausedAt != nil {
		row.Reason, row.Size = Paused, max(r.Length, 0)
		return s.refuse(ctx, row, nil)
	}
	if len(e.Addresses) > 0 {
		listed := within(e.Addresses, r.Addr)
		if row.Listed = &listed; !listed {
			row.Reason, row.Size = NotAllowlisted, max(r.Length, 0)
			return s.refuse(ctx, row, nil)
		}
	}
	call, err := take(r, e.Kind)
	if err != nil {
		return row, err
	}
	verdict := Check(call, source.keys, start)
	row.Reason, row.Generation, row.Representation = verdict.Reason, verdict.Generation, verdict.Representation
	row.EventID, row.EventType = verdict.EventID, verdict.EventType
	row.Size = max(int64(len(call.Body)), r.Length)
	if !call.Oversize {
		row.Digest = models.BodyDigest(s.digestKey, call.Body)
	}
	if !verdict.Time.IsZero() {
		row.SkewMS = start.Sub(verdict.Time).Milliseconds()
	}
	if !verdict.Accepted {
		// What the sender's new secret would explain is put off while its rotation is declared: refused for good, a genuine event could be lost.
		if (row.Reason == WrongSecret || row.Reason == OldSecret) && e.WindowUntil != nil && start.Before(*e.WindowUntil) {
			row.Reason = RotationWindow
		}
		return s.refuse(ctx, row, verdict.signature)
	}
	row.Verdict = accepted
	row, err = s.note(ctx, row, verdict.signature)
	if err == nil && verdict.staged {
		s.promote(ctx, e.ID, verdict.Generation)
	}
	return row, err
}

// take reads headers and body, the body up to one byte over the cap. A length over the cap is enough: then nothing is read.
func take(r Request, kind string) (Call, error) {
	call := callOf(r.Header, kind)
	if r.Length > MaxBody {
		call.Oversize = true
		return call, nil
	}
	// Room for the whole of an ordinary event at once; a length that is only claimed gets no memory.
	body := bytes.NewBuffer(make([]byte, 0, max(min(r.Length, roomAhead), 0)+bytes.MinRead))
	if _, err := body.ReadFrom(io.LimitReader(r.Body, MaxBody+1)); err != nil {
		return call, errBroken.Because(err)
	}
	call.Body, call.Oversize = body.Bytes(), body.Len() > MaxBody
	return call, nil
}

// callOf takes from the headers what a sender of this kind proves itself with.
func callOf(header http.Header, kind string) Call {
	call := Call{Signatures: header.Values(signatureHeader), Encodings: header.Values("Content-Encoding")}
	if kind == KindStandard {
		call.Standard, call.IDs, call.Timestamps, call.Signatures = true, header.Values(standardID), header.Values(standardTimestamp), header.Values(standardSignature)
	}
	return call
}

// within says whether the address is in one of the ranges, each a CIDR or a single address. What cannot be read lets nobody in.
func within(ranges []string, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, text := range ranges {
		if p, err := netip.ParsePrefix(text); err == nil && p.Contains(a) {
			return true
		}
		if one, err := netip.ParseAddr(text); err == nil && one == a {
			return true
		}
	}
	return false
}
