package mailbox

import (
	"context"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
)

// CreateFolder makes a folder.
func (s *Service) CreateFolder(ctx context.Context, actor models.Actor, g models.Grant, f email.NewFolder) (out email.Folder, err error) {
	err = ask(ctx, s, actor, g, models.WriteMessages, provider.ManageFolders, func(c provider.FolderWriter, a provider.Account) (err error) {
		out, err = c.CreateFolder(ctx, a, f)
		return err
	})
	return out, err
}

// UpdateFolder renames or moves a folder and answers it as it then is. Its id may change.
func (s *Service) UpdateFolder(ctx context.Context, actor models.Actor, g models.Grant, id string, change email.FolderChange) (out email.Folder, err error) {
	err = ask(ctx, s, actor, g, models.WriteMessages, provider.ManageFolders, func(c provider.FolderWriter, a provider.Account) (err error) {
		out, err = c.UpdateFolder(ctx, a, id, change)
		return err
	})
	return out, err
}

// DeleteFolder deletes a folder; mail that is nowhere else goes to the trash.
func (s *Service) DeleteFolder(ctx context.Context, actor models.Actor, g models.Grant, id string) error {
	return ask(ctx, s, actor, g, models.WriteMessages, provider.ManageFolders, func(c provider.FolderWriter, a provider.Account) error {
		return c.DeleteFolder(ctx, a, id)
	})
}
