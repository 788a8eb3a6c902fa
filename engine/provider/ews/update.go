package ews

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

const mostTries = 3 // of a change that collides with others'

// UpdateMessage implements provider.MessageUpdater. A message moves before it is marked, so that a move that is refused changes nothing.
// Its id changes with a move.
func (c *Connector) UpdateMessage(ctx context.Context, a provider.Account, id string, ch email.Change) (email.Message, error) {
	full, ok := theirs(id)
	if !ok {
		return email.Message{}, provider.ErrMessageNotFound
	}
	if ch.Folders != nil && len(ch.Folders) != 1 {
		return email.Message{}, fault.New(fault.Invalid, "folders_invalid", "At an Exchange server a message is in exactly one folder. Name one folder.").At("folders")
	}
	var out email.Message
	err := c.with(ctx, a, func(c *caller) error {
		if ch.Folders != nil {
			moved, err := c.move(full, ch.Folders[0])
			if err != nil {
				return err
			}
			full = moved
		}
		if ch.Unread != nil || ch.Starred != nil {
			if err := c.mark(full, ch); err != nil {
				return err
			}
		}
		it, err := c.item(itemID{ID: full}, true)
		if err != nil {
			return err
		}
		out, err = c.message(it, email.Standard)
		return err
	})
	return out, err
}

// move answers the id that the message has afterwards. One that is there already stays as it is.
func (c *caller) move(id, folder string) (string, error) {
	to, err := c.place(folder)
	if err != nil {
		return "", err
	}
	it, err := c.item(itemID{ID: id}, false)
	if err != nil {
		return "", err
	}
	s, err := c.specials()
	if err != nil {
		return "", err
	}
	if s.id(it.Parent.ID) == folder {
		return id, nil
	}
	m, err := c.one(moveItem{To: to, IDs: []itemID{{ID: id}}, NewIDs: true}, answerBytes, true, provider.ErrMessageNotFound)
	if err != nil {
		return "", err
	}
	if len(m.Items.All) != 1 || m.Items.All[0].ID.ID == "" {
		return "", errRefused.Because(errors.New("a move without a new id"))
	}
	return m.Items.All[0].ID.ID, nil
}

// mark changes what stands on a message. Its change key says which state we saw; when another program was faster, we look again.
func (c *caller) mark(id string, ch email.Change) error {
	var err error
	for range mostTries {
		var it item
		if it, err = c.item(itemID{ID: id}, false); err != nil {
			return err
		}
		update := change{ID: itemID{ID: it.ID.ID, Key: it.ID.Key}}
		if ch.Unread != nil {
			read := !*ch.Unread
			update.Updates.All = append(update.Updates.All, setOf("message:IsRead", outgoing{Read: &read}))
		}
		if ch.Starred != nil {
			status := "NotFlagged"
			if *ch.Starred {
				status = "Flagged"
			}
			update.Updates.All = append(update.Updates.All, setOf("item:Flag", outgoing{Flag: &flag{status}}))
		}
		// Quiet: that a program marks mail as read is no reason to send a read receipt.
		_, err = c.one(updateItem{Conflict: "AutoResolve", Deliver: "SaveOnly", Quiet: true, Changes: []change{update}}, answerBytes, false, provider.ErrMessageNotFound)
		if !errors.Is(err, stale) {
			return err
		}
	}
	return err
}

// unstale gives a collision that does not end a name for callers.
func unstale(err error) error {
	if errors.Is(err, stale) {
		return errBusy.Because(err)
	}
	return err
}

// DeleteMessage implements provider.MessageDeleter. In the trash already, and not forever: nothing to do.
func (c *Connector) DeleteMessage(ctx context.Context, a provider.Account, id string, forever bool) error {
	full, ok := theirs(id)
	if !ok {
		return provider.ErrMessageNotFound
	}
	return c.with(ctx, a, func(c *caller) error {
		how := "HardDelete"
		if !forever {
			how = "MoveToDeletedItems"
			it, err := c.item(itemID{ID: full}, false)
			if err != nil {
				return err
			}
			s, err := c.specials()
			if err != nil {
				return err
			}
			if s.id(it.Parent.ID) == "Trash" {
				return nil
			}
		}
		_, err := c.one(deleteItem{How: how, Cancel: "SendToNone", Tasks: "SpecifiedOccurrenceOnly", IDs: []itemID{{ID: full}}}, answerBytes, true, provider.ErrMessageNotFound)
		return err
	})
}
