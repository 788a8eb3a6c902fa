package v3

import (
	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/mailbox"
	"github.com/postern-mail/postern/web"
)

// messageClean answers messages with what their authors wrote in them, without quoted mail and signatures.
func (d *Door) messageClean(c echo.Context) error {
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	ids := b.texts("message_id")
	if len(ids) == 0 || len(ids) > mailbox.MostCleaned {
		b.wrong("message_id", "message_id is a list of 1 to %d ids of messages.", mailbox.MostCleaned)
	}
	for _, id := range ids {
		if id == "" || len(id) > 2048 {
			b.wrong("message_id", "message_id holds what is no id.")
		}
	}
	on := func(name string, otherwise bool) bool {
		if v := b.boolean(name); v != nil {
			return *v
		}
		return otherwise
	}
	want := mailbox.Cleaning{WithLinks: !on("ignore_links", true), WithImages: !on("ignore_images", true), ImagesAsHTML: !on("images_as_markdown", true), WithTables: !on("ignore_tables", true),
		WithConclusions: !on("remove_conclusion_phrases", true), Markdown: on("html_as_markdown", false)}
	if b.err != nil {
		return b.err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	cleaned, err := d.Mailbox.Clean(c.Request().Context(), web.Actor(c), g, ids, want)
	if err != nil {
		return err
	}
	data := make([]map[string]any, len(cleaned))
	for i, m := range cleaned {
		data[i] = messageJSON(g, m.Message, email.Standard)
		data[i]["conversation"] = m.Conversation
	}
	return one(c, data)
}
