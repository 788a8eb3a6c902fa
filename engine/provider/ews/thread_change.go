package ews

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// UpdateThread implements provider.ThreadWriter. Messages move before they are marked, and have other ids afterwards.
func (c *Connector) UpdateThread(ctx context.Context, a provider.Account, id string, ch email.Change) (email.Thread, error) {
	if ch.Folders != nil && len(ch.Folders) != 1 {
		return email.Thread{}, fault.New(fault.Invalid, "folders_invalid", "At an Exchange server a message is in exactly one folder. Name one folder.").At("folders")
	}
	var out email.Thread
	err := c.with(ctx, a, func(c *caller) error {
		if err := c.each(id, func(s strand) error {
			at := s.id
			if ch.Folders != nil {
				var err error
				if at, err = c.move(at, ch.Folders[0]); err != nil {
					return err
				}
			}
			if ch.Unread != nil || ch.Starred != nil {
				return c.mark(at, ch)
			}
			return nil
		}); err != nil {
			return err
		}
		var err error
		out, err = c.one1(id)
		return err
	})
	return out, err
}

// each does something with all messages of a thread but its drafts. One that is gone since is none.
func (c *caller) each(id string, do func(strand) error) error {
	all, err := c.all(id)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Draft {
			continue
		}
		if err := do(s); err != nil && !errors.Is(err, provider.ErrMessageNotFound) {
			return err
		}
	}
	return nil
}

// DeleteThread implements provider.ThreadWriter.
func (c *Connector) DeleteThread(ctx context.Context, a provider.Account, id string) error {
	return c.with(ctx, a, func(c *caller) error {
		return c.each(id, func(s strand) error {
			_, err := c.move(s.id, "Trash")
			return err
		})
	})
}
