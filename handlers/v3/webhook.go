package v3

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

var (
	errWebhook = fault.New(fault.NotFound, "webhook_not_found", "There is no webhook by that id.")
	errTrigger = fault.New(fault.Invalid, "trigger_type_unknown", "trigger_type is not one that webhooks can have.").At("trigger_type")
)

// webhookJSON is always whole: strict decoders fail on a missing field. The secret is in it once, when it is new.
func webhookJSON(w models.Webhook, key secret.Text) map[string]any {
	out := map[string]any{
		"id": w.ID.String(), "description": w.Description, "trigger_types": list(w.TriggerTypes), "webhook_url": w.URL, "status": string(w.Status),
		"notification_email_addresses": list(w.NotificationEmails), "compressed_delivery": w.Compressed,
		"standard_webhooks": w.Standard, "secret_overlap_seconds": w.OverlapSeconds, "status_updated_at": w.StatusAt.Unix(), "created_at": w.CreatedAt.Unix(), "updated_at": w.UpdatedAt.Unix(),
	}
	if !key.Empty() {
		out["webhook_secret"] = key.Reveal()
	}
	return out
}

// webhookID reads the id from the path; webhooks have a word of their own for one that is not there.
func webhookID(c echo.Context) (models.WebhookID, error) {
	id, err := identifier(c, "webhook", models.ParseID[models.WebhookID])
	if err != nil {
		return id, errWebhook
	}
	return id, nil
}

func absentWebhook(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return errWebhook.Because(err)
	}
	return err
}

// mostWebhooks bounds a list that the contract does not page.
const mostWebhooks = 1000

func (d *Door) webhookList(c echo.Context) error {
	q := queryOf(c)
	names := q.list("select")
	if q.err != nil {
		return q.err
	}
	data := []map[string]any{}
	f := webhooks.Filter{Limit: 200}
	for {
		page, err := d.Webhooks.List(c.Request().Context(), web.Actor(c), f)
		if err != nil {
			return err
		}
		for _, w := range page.Webhooks {
			data = append(data, trim(names, webhookJSON(w, secret.Text{})))
		}
		if page.Next == "" || len(data) >= mostWebhooks {
			return one(c, data)
		}
		f.Cursor = page.Next
	}
}

func (d *Door) webhookShow(c echo.Context) error {
	id, err := webhookID(c)
	if err != nil {
		return err
	}
	w, err := d.Webhooks.Find(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return absentWebhook(err)
	}
	return one(c, webhookJSON(w, secret.Text{}))
}

func (d *Door) webhookCreate(c echo.Context) error {
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	draft := webhooks.Draft{URL: b.must("webhook_url"), Description: b.text("description"), TriggerTypes: b.texts("trigger_types"),
		NotificationEmails: b.texts("notification_email_addresses")}
	if compressed := b.boolean("compressed_delivery"); compressed != nil {
		draft.Compressed = *compressed
	}
	if standard := b.boolean("standard_webhooks"); standard != nil {
		draft.Standard = *standard
	}
	if overlap := seconds(b, "secret_overlap_seconds"); overlap != nil {
		draft.Overlap = *overlap
	}
	if len(draft.TriggerTypes) == 0 {
		b.wrong("trigger_types", "trigger_types names at least one event.")
	}
	if b.err != nil {
		return b.err
	}
	w, key, err := d.Webhooks.Create(c.Request().Context(), web.Actor(c), draft)
	if err != nil {
		return err
	}
	return one(c, webhookJSON(w, key))
}

// webhookUpdate takes any subset; what is omitted or empty stays.
func (d *Door) webhookUpdate(c echo.Context) error {
	id, err := webhookID(c)
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	change := webhooks.Change{URL: b.text("webhook_url"), Description: b.text("description"), Status: b.text("status"), TriggerTypes: b.texts("trigger_types"),
		NotificationEmails: b.texts("notification_email_addresses"), Compressed: b.boolean("compressed_delivery"),
		Standard: b.boolean("standard_webhooks"), Overlap: seconds(b, "secret_overlap_seconds")}
	if b.err != nil {
		return b.err
	}
	w, err := d.Webhooks.Update(c.Request().Context(), web.Actor(c), id, change)
	if err != nil {
		return absentWebhook(err)
	}
	return one(c, webhookJSON(w, secret.Text{}))
}

func (d *Door) webhookDelete(c echo.Context) error {
	id, err := webhookID(c)
	if err != nil {
		return err
	}
	if err := d.Webhooks.Delete(c.Request().Context(), web.Actor(c), id); err != nil {
		return absentWebhook(err)
	}
	return one(c, map[string]any{"status": "success"})
}

// seconds reads a time span that may be left out.
func seconds(b *body, name string) *time.Duration {
	if !b.has(name) {
		return nil
	}
	d := time.Duration(b.number(name, 0, 7*24*3600)) * time.Second
	return &d
}

// webhookPublicKey is for receivers, which have no API key: a public key is no secret.
func (d *Door) webhookPublicKey(c echo.Context) error {
	id, err := webhookID(c)
	if err != nil {
		return err
	}
	key, err := d.Webhooks.PublishedKey(c.Request().Context(), id)
	if err != nil {
		return absentWebhook(err)
	}
	return one(c, map[string]any{"public_key": key, "algorithm": "ed25519", "signature_version": "v1a"})
}

// webhookRotate answers both forms of the call. How long the old secret goes on is what the call says, else the webhook's own setting; by default it ends at once.
func (d *Door) webhookRotate(c echo.Context) error {
	id, err := webhookID(c)
	if err != nil {
		return err
	}
	b, err := bodyOf(c, true)
	if err != nil {
		return err
	}
	overlap := seconds(b, "overlap_seconds")
	if b.err != nil {
		return b.err
	}
	w, key, err := d.Webhooks.Rotate(c.Request().Context(), web.Actor(c), id, overlap)
	if err != nil {
		return absentWebhook(err)
	}
	return one(c, webhookJSON(w, key))
}

func (d *Door) webhookAddresses(c echo.Context) error {
	addresses, at := d.Webhooks.IPAddresses()
	return one(c, map[string]any{"ip_addresses": list(addresses), "updated_at": at.Unix()})
}

func (d *Door) webhookMock(c echo.Context) error {
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	trigger := b.must("trigger_type")
	if b.err != nil {
		return b.err
	}
	sample, known := webhooks.Mock(trigger, web.Actor(c).Application, d.Now())
	if !known {
		return errTrigger
	}
	if !json.Valid(sample) {
		return fmt.Errorf("the sample payload of %s is not JSON", trigger)
	}
	return one(c, json.RawMessage(sample))
}

// webhookTest delivers a sample to an address of the caller's choice. The trigger may be left out (contract, trap 16).
func (d *Door) webhookTest(c echo.Context) error {
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	url, trigger := b.must("webhook_url"), b.text("trigger_type")
	if b.err != nil {
		return b.err
	}
	if trigger != "" && !webhooks.KnownTrigger(trigger) {
		return errTrigger
	}
	if err := d.Webhooks.SendTest(c.Request().Context(), web.Actor(c), url, trigger); err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c), "data": "success"})
}
