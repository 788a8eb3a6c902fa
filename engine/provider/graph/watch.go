package graph

import (
	"context"
	"time"

	"github.com/postern-mail/postern/engine/provider"
)

// pollEvery is how often a watched mailbox is asked.
const pollEvery = 2 * time.Minute

// Watch implements provider.Watcher, by asking.
func (c *Connector) Watch(_ context.Context, a provider.Account) (provider.Watch, error) {
	return provider.Poll(c, a, pollEvery), nil
}
