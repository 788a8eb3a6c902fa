package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postern-mail/postern/cmd/postern/load"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// watchedMailboxes is how many are watched: enough that what the process needs once does not show.
const watchedMailboxes = 500

// benchWatch measures what a watched mailbox costs: memory of this process with all of them in IDLE over TLS. The server is in the same process, so its end of each
// connection is taken off, at half of what a bare pair of TLS connections costs. Issue figure: at most 48 KiB each.
func benchWatch(ctx context.Context, b *bench) error {
	const name = "watch"
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	server := w.mail
	pair, err := perConnection(ctx, server, load.TLSPair)
	if err != nil {
		return err
	}
	bare, err := perConnection(ctx, server, load.IdleBare)
	if err != nil {
		return err
	}
	hook, err := w.watchable(ctx, server.Addr)
	if err != nil {
		return err
	}
	before := held()
	began := time.Now()
	ask := func(tx *store.Tx) error { return tx.InsertWebhook(hook) }
	if err := w.process.engine.Store.InApplication(ctx, hook.ApplicationID, ask); err != nil {
		return err
	}
	for server.Idling.Load() < watchedMailboxes && time.Since(began) < 90*time.Second && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond) // the server counts who idles and tells nobody; the memory is taken when all do
	}
	took, got := time.Since(began), server.Idling.Load()
	time.Sleep(2 * time.Second) // nothing says that the last looks have ended; what they still hold must not be counted
	each := (held() - before) / watchedMailboxes
	// Nobody asks any more: the mailboxes are left before the next measure.
	if err := w.process.engine.Store.InApplication(ctx, hook.ApplicationID, func(tx *store.Tx) error { return tx.MarkWebhookDeleted(hook.ApplicationID, hook.ID, time.Now().UTC()) }); err != nil {
		return err
	}
	if got < watchedMailboxes {
		return fmt.Errorf("only %d of %d mailboxes were watched after %s", got, watchedMailboxes, short(took))
	}
	b.note(figure{Measure: name, What: "a mailbox behind IMAP, in IDLE over TLS", Value: max(each-pair/2, 0) / 1024, Unit: "KiB", Goal: 48, AtMost: true,
		Note: fmt.Sprintf("%d mailboxes, all watched after %s; %.1f KiB with the server's end", watchedMailboxes, short(took), each/1024)})
	b.note(figure{Measure: name, What: "beside it: a bare go-imap connection, in IDLE over TLS", Value: max(bare-pair/2, 0) / 1024, Unit: "KiB"})
	return nil
}

// held is the memory in use once what is garbage is gone, stacks included.
func held() float64 {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // finalizers of the first may free more
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

// perConnection is what one connection costs, both ends, over as many as are watched.
func perConnection(ctx context.Context, s *load.IMAPServer, open func(context.Context, *load.IMAPServer) (func(), error)) (float64, error) {
	before := held()
	ends := make([]func(), watchedMailboxes)
	defer func() {
		for _, end := range ends {
			if end != nil {
				end()
			}
		}
	}()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range ends {
		group.Go(func() (err error) {
			ends[i], err = open(ctx, s)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	each := (held() - before) / watchedMailboxes
	runtime.KeepAlive(ends)
	return each, nil
}

// watchable makes the grants, and the webhook that is to ask for their mail; it is not written yet. The Postern of the world watches them as in service.
func (w *world) watchable(ctx context.Context, addr string) (models.Webhook, error) {
	none := models.Webhook{}
	e := w.process.engine
	kept := tokens.New(tokens.Config{Store: e.Store, Safe: sealed.New(e.Vault, time.Now), Providers: w.process.providers, Now: time.Now})
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return none, err
	}
	at := time.Now().UTC()
	tenant := w.tenants[0]
	made, err := e.Applications.Create(ctx, system, applications.Draft{Name: "Watching", DefaultTenant: tenant})
	if err != nil {
		return none, err
	}
	app := made.ID
	if _, err := e.Applications.CreateConnector(ctx, system, app, applications.ConnectorDraft{Provider: "imap"}); err != nil {
		return none, err
	}
	hook := models.Webhook{ApplicationID: app, ID: models.NewID[models.WebhookID](at), URL: "https://receiver.example/", TriggerTypes: models.Strings{"message.created"}, NotificationEmails: models.Strings{},
		Status: models.WebhookActive, StatusAt: at, CreatedAt: at, UpdatedAt: at}
	for i := range watchedMailboxes {
		address := fmt.Sprintf("watched%04d@bench.example", i)
		g := models.Grant{TenantID: tenant, ID: models.NewID[models.GrantID](at), ApplicationID: app, Provider: "imap", Subject: address, Email: address, Login: address, Status: models.GrantPending, StatusReason: "consented", StatusAt: at,
			Settings: models.Settings{provider.IMAPHost: host, provider.IMAPPort: port, provider.IMAPTLS: provider.TLS}, ScopesRequested: models.Strings{}, ScopesGranted: models.Strings{}, CreatedAt: at, UpdatedAt: at}
		err := e.Store.InTenant(ctx, tenant, func(tx *store.Tx) error {
			row, err := tx.InsertGrant(g)
			if err != nil {
				return err
			}
			row.StatusReason = "connected"
			return errors.Join(tx.MarkGrantConnected(row, time.Now().UTC()), kept.Save(ctx, tx, tenant, tokens.Grant(row.ID), tokens.Credential{Password: secret.New("secret")}))
		})
		if err != nil {
			return none, err
		}
	}
	return hook, nil
}
