package graph_test

import (
	"context"
	"slices"
	"testing"
)

func TestAliases(t *testing.T) {
	w := start(t)
	who, x, _ := w.mailbox(t, "ada")
	if got, err := w.c.Aliases(context.Background(), x); err != nil || len(got) != 0 {
		t.Errorf("none: %q %v", got, err)
	}
	who.Aliases = []string{"sales@contoso.test"}
	if got, err := w.c.Aliases(context.Background(), x); err != nil || !slices.Equal(got, who.Aliases) {
		t.Errorf("%q %v", got, err)
	}
}
