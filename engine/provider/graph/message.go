package graph

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

const atOnce = 3 // requests of one call

var errFolders = fault.New(fault.Invalid, "folders_invalid", "A message at Microsoft is in exactly one folder. Name one.").At("folders")

func messagePath(id string) (string, error) {
	theirs, ok := theirID(id)
	if !ok {
		return "", provider.ErrMessageNotFound
	}
	return "/me/messages/" + url.PathEscape(theirs), nil
}

// Message implements provider.MessageReader.
func (c *Connector) Message(ctx context.Context, a provider.Account, id string, want email.Fields) (email.Message, error) {
	path, err := messagePath(id)
	if err != nil {
		return email.Message{}, err
	}
	var out email.Message
	err = c.with(ctx, a, func(k *call) (err error) {
		out, err = k.message(path, id, want)
		return err
	})
	return out, err
}

func (k *call) message(path, id string, want email.Fields) (email.Message, error) {
	if want == email.RawOnly {
		raw, err := k.raw(path)
		return email.Message{ID: id, Raw: raw}, err
	}
	var w wireMessage
	query := params{"$select", fields(want, false), "$expand", expanded}
	err := k.json(request{method: http.MethodGet, path: path, query: query}, &w)
	if errors.Is(err, errRefused) {
		err = k.json(request{method: http.MethodGet, path: path, query: query[:2]}, &w)
	}
	if err == nil && w.HasAttachments && len(w.Attachments) == 0 {
		err = k.attachments(&w)
	}
	if err != nil {
		return email.Message{}, err
	}
	k.contentIDs(path, &w)
	return w.message(want), nil
}

func (k *call) raw(path string) ([]byte, error) {
	return k.send(request{method: http.MethodGet, path: path + "/$value", most: rawMost})
}

// attachments asks for what $expand did not bring.
func (k *call) attachments(w *wireMessage) error {
	if !w.HasAttachments && !strings.Contains(w.Body.Content, "cid:") {
		return nil
	}
	var answer struct {
		Value []wireAttachment `json:"value"`
	}
	err := k.json(request{method: http.MethodGet, path: "/me/messages/" + url.PathEscape(w.ID) + "/attachments", query: params{"$select", attachFields}}, &answer)
	w.Attachments = answer.Value
	return err
}

// contentIDs asks what pictures within the text are called there. Only the derived type has that property, and not every server takes the question: an attachment without
// the name is still an attachment.
func (k *call) contentIDs(path string, w *wireMessage) {
	if !strings.Contains(w.Body.Content, "cid:") || len(w.Attachments) == 0 {
		return
	}
	var answer struct {
		Value []wireAttachment `json:"value"`
	}
	if k.json(request{method: http.MethodGet, path: path + "/attachments", query: params{"$select", "id,microsoft.graph.fileAttachment/contentId"}}, &answer) != nil {
		return
	}
	for _, got := range answer.Value {
		for i := range w.Attachments {
			if w.Attachments[i].ID == got.ID {
				w.Attachments[i].ContentID = got.ContentID
			}
		}
	}
}

// finish turns what was kept into messages, with what the list itself could not bring. cut is how many there are when they were too heavy for
// one answer, else -1.
func (l *lister) finish() (items []email.Message, cut int, err error) {
	weight := 0
	for from := 0; from < len(l.kept); from += atOnce {
		if weight > rawMost && l.byTime {
			return items, from, nil
		}
		batch := l.kept[from:min(from+atOnce, len(l.kept))]
		got := make([]email.Message, len(batch))
		var g errgroup.Group
		for i := range batch {
			g.Go(func() (err error) {
				got[i], err = l.whole(&batch[i])
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return nil, -1, err
		}
		for _, m := range got {
			if m.ID != "" {
				items = append(items, m)
				weight += len(m.Raw)
			}
		}
	}
	return items, -1, nil
}

// whole is one message of a list; the zero message when it is gone since.
func (l *lister) whole(w *wireMessage) (m email.Message, err error) {
	switch {
	case l.q.Fields == email.RawOnly:
		m.ID = ourID(w.ID)
		m.Raw, err = l.raw("/me/messages/" + url.PathEscape(w.ID))
		if errors.Is(err, provider.ErrTooLarge) { // one heavy message must not keep the others back
			err = nil
		}
	case l.bare, w.HasAttachments && len(w.Attachments) == 0:
		err = l.attachments(w)
		m = w.message(l.q.Fields)
	default:
		m = w.message(l.q.Fields)
	}
	if errors.Is(err, provider.ErrMessageNotFound) {
		return email.Message{}, nil
	}
	return m, err
}

// UpdateMessage implements provider.MessageUpdater. Microsoft keeps a message in exactly one folder; with immutable ids its id outlives the move. The move comes
// first: when it is refused, nothing has changed.
func (c *Connector) UpdateMessage(ctx context.Context, a provider.Account, id string, change email.Change) (email.Message, error) {
	path, err := messagePath(id)
	if err != nil {
		return email.Message{}, err
	}
	if change.Folders != nil && len(change.Folders) != 1 {
		return email.Message{}, errFolders
	}
	var out email.Message
	err = c.with(ctx, a, func(k *call) (err error) {
		if change.Folders != nil {
			if path, err = k.move(path, change.Folders[0]); err != nil {
				return err
			}
		}
		if err := k.mark(path, change); err != nil {
			return err
		}
		out, err = k.message(path, id, email.Standard)
		return err
	})
	return out, err
}

func (k *call) mark(path string, change email.Change) error {
	set := map[string]any{}
	if change.Unread != nil {
		set["isRead"] = !*change.Unread
	}
	if change.Starred != nil {
		status := "notFlagged"
		if *change.Starred {
			status = "flagged"
		}
		set["flag"] = map[string]string{"flagStatus": status}
	}
	if len(set) == 0 {
		return nil
	}
	return k.patch(path, set)
}

// move answers the path of the message afterwards.
func (k *call) move(path, folder string) (string, error) {
	target, err := k.folder(folder)
	if err != nil {
		return "", err
	}
	var w wireMessage
	if err := k.json(request{method: http.MethodGet, path: path, query: params{"$select", "id,parentFolderId"}}, &w); err != nil {
		return "", err
	}
	if w.Folder == target {
		return path, nil
	}
	var moved wireMessage
	if err := k.post(path+"/move", map[string]string{"destinationId": target}, &moved, nil); err != nil {
		return "", err
	}
	if moved.ID == "" {
		return path, nil
	}
	return "/me/messages/" + url.PathEscape(moved.ID), nil
}

// DeleteMessage implements provider.MessageDeleter. What is in the deleted items already stays there unless it is to be erased. Erasing goes past the
// items that the owner can recover, where Microsoft offers that; administrators may hold copies back by policy.
func (c *Connector) DeleteMessage(ctx context.Context, a provider.Account, id string, forever bool) error {
	path, err := messagePath(id)
	if err != nil {
		return err
	}
	return c.with(ctx, a, func(k *call) error {
		if !forever {
			_, err := k.move(path, "deleteditems")
			return err
		}
		err := k.json(request{method: http.MethodPost, path: path + "/permanentDelete"}, nil)
		if !errors.Is(err, errRefused) && (!errors.Is(err, provider.ErrMessageNotFound) || codeOf(err) == "ErrorItemNotFound" || codeOf(err) == "ErrorInvalidIdMalformed") {
			return err
		}
		return k.erase(path) // not every cloud has the act
	})
}

// erase removes a message by the plain act, which only moves what is not among the deleted items yet.
func (k *call) erase(path string) error {
	if err := k.json(request{method: http.MethodDelete, path: path}, nil); err != nil {
		return err
	}
	var w wireMessage
	if err := k.json(request{method: http.MethodGet, path: path, query: params{"$select", "id"}}, &w); err != nil || w.ID == "" {
		return found(err)
	}
	return found(k.json(request{method: http.MethodDelete, path: path}, nil))
}

// found takes a message that is gone for what was wanted.
func found(err error) error {
	if errors.Is(err, provider.ErrMessageNotFound) {
		return nil
	}
	return err
}
