package mailbox

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
)

// Aliases is the other addresses of a mailbox. known is false where the provider tells none, or does not tell them for what the owner allowed.
func (s *Service) Aliases(ctx context.Context, actor models.Actor, g models.Grant) (aliases []string, known bool, err error) {
	connector, err := s.providers.Connector(g.Provider)
	if _, tells := connector.(provider.AliasReader); err != nil || !tells || !g.Usable() {
		return nil, false, nil //nolint:nilerr // a provider that is not here any more tells nothing
	}
	err = s.with(ctx, actor, g, models.ReadGrants, provider.KnowIdentity, func(c provider.Connector, a provider.Account) (err error) {
		aliases, err = c.(provider.AliasReader).Aliases(ctx, a)
		return err
	})
	if errors.Is(err, provider.ErrScopeMissing) || fault.KindOf(err) == fault.Denied {
		return nil, false, nil
	}
	return aliases, err == nil, err
}
