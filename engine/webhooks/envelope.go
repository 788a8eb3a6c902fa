package webhooks

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// SignatureHeader carries the signature: 64 lower-case hexadecimal digits, HMAC-SHA256 (RFC 2104) under the webhook's secret over the body
// exactly as it is sent. For a compressed delivery these are the compressed bytes.
const SignatureHeader = "X-Nylas-Signature"

// envelope is what a receiver gets, in the shape of the v3 API (CloudEvents 1.0 in its outline). id is the same in every attempt; the
// attempt's number is inside, so bytes and signature differ from one attempt to the next.
type envelope struct {
	SpecVersion string       `json:"specversion"`
	Type        string       `json:"type"`
	Source      string       `json:"source"`
	ID          string       `json:"id"`
	Time        int64        `json:"time"`
	Attempt     int          `json:"webhook_delivery_attempt"`
	Data        envelopeData `json:"data"`
}

type envelopeData struct {
	Application string          `json:"application_id"`
	Grant       string          `json:"grant_id,omitempty"`
	Object      json.RawMessage `json:"object"`
}

// wire writes the envelope's bytes: JSON, without the escapes for HTML that no receiver needs.
func (e envelope) wire() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("write the envelope of event %s: %w", e.ID, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func newEnvelope(e models.Event, attempt int, object []byte) envelope {
	out := envelope{SpecVersion: "1.0", Type: e.Type, Source: e.Source, ID: e.ID.String(), Time: e.OccurredAt.Unix(), Attempt: attempt,
		Data: envelopeData{Application: e.ApplicationID.String(), Object: object}}
	if e.GrantID != nil && grantBeside(e.Type) {
		out.Data.Grant = e.GrantID.String()
	}
	return out
}

// mostEnvelope is the size, uncompressed, from which the v3 API leaves a message's body out.
const mostEnvelope = 1_000_000

// truncated takes the body out of a message that is too large, and says so in the event's type; the receiver fetches the message by its id. Other events have
// nothing that could be left out, and are sent whole.
func truncated(eventType string, object json.RawMessage) (string, json.RawMessage) {
	switch subscription(eventType) {
	case "message.created", "message.updated", "message.created.cleaned":
	default:
		return eventType, object
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil || fields["body"] == nil {
		return eventType, object
	}
	delete(fields, "body")
	shorter, err := json.Marshal(fields)
	if err != nil {
		return eventType, object
	}
	return eventType + ".truncated", shorter
}

// grantBeside says whether the v3 envelope names the grant beside the object. It does where the object is a report on a message; elsewhere
// the grant is inside the object.
func grantBeside(eventType string) bool {
	switch subscription(eventType) {
	case "message.send_success", "message.send_failed", "message.bounce_detected", "message.opened", "message.link_clicked", "thread.replied":
		return true
	default:
		return false
	}
}

func zip(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(body); err != nil {
		return nil, fmt.Errorf("compress a delivery: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress a delivery: %w", err)
	}
	return out.Bytes(), nil
}

// sign makes the signature of body.
func sign(key secret.Text, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	h.Write(body)
	return h.Sum(nil)
}

func spell(signature []byte) string { return hex.EncodeToString(signature) }

// Mock writes the whole envelope of a made-up event, as POST /v3/webhooks/mock-payload answers. It says false for a trigger that no webhook
// can ask for.
func Mock(trigger string, application models.ApplicationID, at time.Time) ([]byte, bool) {
	if !KnownTrigger(trigger) {
		return nil, false
	}
	body, err := newEnvelope(mockEvent(trigger, application, at), 1, mockObject(trigger, application, at)).wire()
	return body, err == nil
}
