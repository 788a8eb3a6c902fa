package gmail

import (
	"context"

	"google.golang.org/api/gmail/v1"

	"github.com/postern-mail/postern/engine/provider"
)

// Aliases implements provider.AliasReader: the addresses that the owner may send as ("users.settings.sendAs.list"; any right to read mail is enough). One that was
// added in Gmail's settings counts once its owner has proved it.
func (c *Connector) Aliases(ctx context.Context, a provider.Account) ([]string, error) {
	r, release := c.open(a)
	defer release()
	var list *gmail.ListSendAsResponse
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		list, err = c.api.Users.Settings.SendAs.List("me").Context(ctx).Do()
		return err
	})
	if err != nil {
		return nil, elsewhere(err)
	}
	var out []string
	for _, s := range list.SendAs {
		if s != nil && !s.IsPrimary && s.SendAsEmail != "" && (s.VerificationStatus == "" || s.VerificationStatus == "accepted") {
			out = append(out, s.SendAsEmail)
		}
	}
	return out, nil
}
