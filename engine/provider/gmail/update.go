package gmail

import (
	"context"
	"net/http"
	"slices"

	api "google.golang.org/api/gmail/v1"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// fixed are the labels that Gmail sets by itself and lets nobody add or remove ("Manage labels": "can be applied manually: no").
var fixed = []string{sent, drafts, chat}

var errFixed = fault.New(fault.Invalid, "folder_fixed", "Gmail alone decides which messages are sent mail, drafts or chats. Name other folders.").At("folders")

// UpdateMessage implements provider.MessageUpdater. Folders are labels: a message may have several, and keeps its id. The labels that
// Gmail sets by itself stay on whatever is asked.
func (c *Connector) UpdateMessage(ctx context.Context, a provider.Account, id string, change email.Change) (email.Message, error) {
	if !validID(id) {
		return email.Message{}, provider.ErrMessageNotFound
	}
	for _, f := range change.Folders {
		if !validID(f) {
			return email.Message{}, provider.ErrFolderNotFound.At("folders")
		}
	}
	r, release := c.open(a)
	defer release()
	var have []string
	if change.Folders != nil {
		g, err := r.get(ctx, id, "minimal")
		if err != nil {
			return email.Message{}, err
		}
		have = g.LabelIds
	}
	add, remove, err := difference(have, change)
	if err != nil {
		return email.Message{}, err
	}
	if len(add)+len(remove) > 0 {
		err = r.call(ctx, true, func(ctx context.Context) error { // the same change twice is one change
			_, err := c.api.Users.Messages.Modify("me", id, &api.ModifyMessageRequest{AddLabelIds: add, RemoveLabelIds: remove}).Context(ctx).Do()
			return err
		})
		if d, ok := turnedDown(err); ok && d.status == http.StatusBadRequest {
			if d.says("label") {
				return email.Message{}, provider.ErrFolderNotFound.At("folders").Because(d.cause())
			}
			return email.Message{}, provider.ErrMessageNotFound.Because(d.cause())
		}
		if err != nil {
			return email.Message{}, err
		}
	}
	return r.message(ctx, id, email.Standard)
}

// difference is the labels to add and to remove.
func difference(have []string, change email.Change) (add, remove []string, err error) {
	want := func(id string, on bool) {
		if on {
			add = append(add, id)
		} else {
			remove = append(remove, id)
		}
	}
	if change.Folders != nil {
		for _, id := range change.Folders {
			if slices.Contains(have, id) || slices.Contains(add, id) {
				continue
			}
			if slices.Contains(fixed, id) {
				return nil, nil, errFixed
			}
			want(id, true)
		}
		for _, id := range folders(have) {
			if !slices.Contains(change.Folders, id) && !slices.Contains(fixed, id) {
				want(id, false)
			}
		}
	}
	for id, on := range map[string]*bool{unread: change.Unread, starred: change.Starred} {
		if on == nil {
			continue
		}
		add = slices.DeleteFunc(add, func(x string) bool { return x == id })
		want(id, *on)
	}
	return add, remove, nil
}

// DeleteMessage implements provider.MessageDeleter. Erasing for good needs the scope https://mail.google.com/; without it Google
// refuses, and the answer is ErrScopeMissing.
func (c *Connector) DeleteMessage(ctx context.Context, a provider.Account, id string, forever bool) error {
	if !validID(id) {
		return provider.ErrMessageNotFound
	}
	r, release := c.open(a)
	defer release()
	return absent(r.call(ctx, !forever, func(ctx context.Context) error {
		if forever {
			return c.api.Users.Messages.Delete("me", id).Context(ctx).Do()
		}
		_, err := c.api.Users.Messages.Trash("me", id).Context(ctx).Do()
		return err
	}))
}
