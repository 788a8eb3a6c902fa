package gmail_test

import (
	"context"
	"slices"
	"testing"

	"github.com/postern-mail/postern/engine/provider/providertest"
)

func TestAliases(t *testing.T) {
	b := newMailbox(t)
	if got, err := b.c.Aliases(context.Background(), b.a); err != nil || len(got) != 0 {
		t.Errorf("none: %q %v", got, err)
	}
	b.u.Aliases, b.u.Unproved = []string{"sales@gmail.example", "ada@firm.example"}, []string{"eve@example.com"}
	if got, err := b.c.Aliases(context.Background(), b.a); err != nil || !slices.Equal(got, b.u.Aliases) {
		t.Errorf("%q %v", got, err)
	}
	narrow := providertest.AccountWith(b.u, b.g.Tokens(b.app, b.u, "openid"))
	narrow.Key = "narrow"
	if got, err := b.c.Aliases(context.Background(), narrow); err == nil || got != nil {
		t.Errorf("without the right to read: %q", got)
	}
}
