package verifications

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// The sources of the log that are providers.
const (
	googleSource    = "google"
	microsoftSource = "microsoft"
)

// GoogleKeys is where Google publishes the keys of its tokens (https://accounts.google.com/.well-known/openid-configuration, jwks_uri).
const GoogleKeys = "https://www.googleapis.com/oauth2/v3/certs"

// The endpoints of pushes: there is one of each, so their ids are fixed. They stand in the log and in the memory of what was seen; no row of
// inbound_endpoints has them.
var (
	googleEndpoint    = models.EndpointID{15: 1}
	riscEndpoint      = models.EndpointID{15: 2}
	microsoftEndpoint = models.EndpointID{15: 3}
)

// PushConfig is what the operator says of providers that push. What is empty is not taken: its address is as if it were not there.
type PushConfig struct {
	GoogleAudience string      // the audience that the Pub/Sub subscription was given
	GoogleAccount  string      // the address of the service account that it signs as
	GoogleKeysURL  string      // empty: GoogleKeys
	RISCAudiences  []string    // the OAuth client ids of our Google apps
	MicrosoftState secret.Text // the clientState of Graph subscriptions that somebody else made; empty: there are none

	// StateKey proves which pushes were asked for here, and Base is the public address that they come to; see MicrosoftPush. Without both nobody is asked for pushes.
	StateKey []byte
	Base     *url.URL

	// Wake is told that something happened in the mailbox of that provider and address, subject or grant; nil: nobody waits. It must return at once: the
	// provider is answered after it.
	Wake func(ctx context.Context, provider, mailbox string)
	// Lapse is told that the provider has ended the pushes for a grant's mailbox, or is about to; nil: nobody waits. It must return at once.
	Lapse func(ctx context.Context, provider string, grant models.GrantID)
	// Cut is told that a person ended the app's access at the provider, at that time. It may be told twice. An error has the provider push again.
	Cut func(ctx context.Context, provider, subject, cause string, at time.Time) error
}

// PushRequest is one push as the door saw it.
type PushRequest struct {
	Header http.Header
	Length int64 // -1: not said
	Body   io.Reader
	Addr   netip.Addr
}

// push is what a check of a push found.
type push struct {
	reason, id, kind string
	at               time.Time
	signature        []byte
	effect           func(context.Context) error // nil: none
}

// receivePush reads, checks and logs a push, in the order of Receive. The effect comes before the row: both may come twice, and neither is lost.
func (s *Service) receivePush(ctx context.Context, r PushRequest, endpoint models.EndpointID, source string, check func(context.Context, []byte, time.Time) (push, error)) (models.Verification, error) {
	start := s.now()
	row := models.Verification{ID: models.NewID[models.VerificationID](start), At: start, Source: source, EndpointID: &endpoint, Verdict: refused, Representation: raw}
	if r.Addr.IsValid() {
		row.Address = r.Addr.Unmap().WithZone("").String()
	}
	call, err := take(Request{Header: http.Header{}, Length: r.Length, Body: r.Body}, KindV3)
	if err != nil {
		return row, err
	}
	row.Size = max(int64(len(call.Body)), r.Length)
	if call.Oversize {
		row.Reason, row.Representation = Oversize, ""
		return s.refuse(ctx, row, nil)
	}
	row.Digest = models.BodyDigest(s.digestKey, call.Body)
	found, err := check(ctx, call.Body, start)
	if err != nil {
		return row, err
	}
	if row.Reason = found.reason; row.Reason != OK {
		return s.refuse(ctx, row, nil)
	}
	row.Verdict, row.EventID, row.EventType = accepted, found.id, found.kind
	if !found.at.IsZero() {
		row.SkewMS = start.Sub(found.at).Milliseconds()
	}
	if found.effect != nil {
		if err := found.effect(ctx); err != nil {
			return row, err
		}
	}
	return s.note(ctx, row, found.signature)
}

// unconfigured answers for an address that nobody set up.
func (s *Service) unconfigured(ctx context.Context, r PushRequest) (models.Verification, error) {
	at := s.now()
	row := models.Verification{ID: models.NewID[models.VerificationID](at), At: at, Source: unknownSource, Verdict: refused, Reason: UnknownEndpoint}
	if r.Addr.IsValid() {
		row.Address = r.Addr.Unmap().WithZone("").String()
	}
	return s.refuse(ctx, row, nil)
}

// bearer takes the one token of an Authorization header (RFC 6750 section 2.1).
func bearer(header http.Header) (string, string) {
	values := header.Values("Authorization")
	if len(values) == 0 {
		return "", MissingSignature
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t,") {
		return "", MalformedSignature
	}
	return token, ""
}
