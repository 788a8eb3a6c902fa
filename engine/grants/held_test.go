package grants_test

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/mailbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/sandbox"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
)

// open counts the connections that a process keeps to a mailbox, under every version of its credential so far.
func openTo(c *sandbox.Connector, k *tokens.Keeper, g models.Grant) int {
	n := 0
	for g.Credential = 0; g.Credential < 10; g.Credential++ {
		n += c.Open(k.Account(g).Key)
	}
	return n
}

// TestNoConnectionOutlivesItsGrant: one that was opened before the access token was renewed is kept under the older credential. The revocation ends it all the same, here with
// the click, and in another process by itself.
func TestNoConnectionOutlivesItsGrant(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	here := w.asked().Connector

	// Another process: the same database, connections of its own.
	there := sandbox.New(sandbox.ConnectorConfig{Guard: loopback(), Endpoints: w.box.Endpoints(), Now: w.clock.now})
	config := w.tokens.Config
	config.Providers = provider.NewSet(nil, there)
	kept := tokens.New(config)
	log := slog.New(slog.DiscardHandler)
	boxes := mailbox.New(mailbox.Config{Store: w.db.Store, Tokens: kept, Safe: config.Safe, Providers: config.Providers, Now: w.clock.now, Log: log})
	other := grants.New(grants.Config{Store: w.db.Store, Audit: w.audit, Tokens: kept, Providers: config.Providers, BaseURL: "https://postern.example", Region: "eu", Company: "Acme",
		IDTokens: ed25519.NewKeyFromSeed(make([]byte, 32)), Now: w.clock.now, Log: log})
	ctx, stop := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() { other.KeepClosed(ctx); close(done) }()
	defer func() { stop(); <-done }()

	for _, renewed := range []bool{false, true} {
		if renewed {
			w.clock.forward(3 * time.Hour)
		}
		for _, by := range []*mailbox.Service{w.mailbox, boxes} {
			_, err := by.Messages(w.ctx, w.key, w.standing(g), email.Query{Limit: 1})
			w.must(err)
		}
	}
	// The call that found the old token still used the older key, once.
	for _, by := range []*mailbox.Service{w.mailbox, boxes} {
		_, err := by.Messages(w.ctx, w.key, w.standing(g), email.Query{Limit: 1})
		w.must(err)
	}
	if a, b := openTo(here, w.tokens, g), openTo(there, kept, g); a < 2 || b < 2 {
		t.Fatalf("before the revocation %d and %d connections are open, want those of the older credential too", a, b)
	}
	_, err := w.grants.Revoke(w.ctx, w.support, g.ID, "")
	w.must(err)
	if n := openTo(here, w.tokens, g); n != 0 {
		t.Errorf("%d connections outlive the revocation", n)
	}
	for deadline := time.Now().Add(time.Minute); openTo(there, kept, g) != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("another process still keeps %d connections", openTo(there, kept, g))
		}
	}
}
