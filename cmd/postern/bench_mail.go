package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/postern-mail/postern/cmd/postern/load"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// A mailbox as most are listed: 200 messages of 2 KiB, of which the newest 20 are asked for, over as many connections as one mailbox is given.
const (
	mailMessages = 200
	mailSize     = 2 << 10
	mailPage     = 20
	mailConns    = 4
)

// benchMail holds the listing of messages to an issue figure: at most 1.3 times the bare FETCH of the same data by a plain client, on the same server, one after the other.
func benchMail(ctx context.Context, b *bench) error {
	const name = "mail"
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	server, err := load.StartDovecot(ctx)
	if err != nil {
		return err
	}
	defer server.Close() //nolint:errcheck // it served its purpose
	if err := server.Fill(mailMessages, mailSize); err != nil {
		return err
	}
	id, err := w.connectIMAP(ctx, server)
	if err != nil {
		return err
	}
	request := load.Get(fmt.Sprintf("/v3/grants/%s/messages?limit=%d", id, mailPage), w.key)
	// Bare, ours, bare again: the machine's own drift shows, and the mean of the two is what ours is held to.
	first, err := server.Fetch(ctx, mailConns, mailPage, b.seconds/2)
	if err != nil {
		return err
	}
	before := w.cpuNow(ctx)
	ours, err := load.Run(ctx, load.Plan{Addr: w.addr, Conns: mailConns, For: b.seconds, Request: func(int) []byte { return request }})
	if err != nil {
		return err
	}
	cpu := w.cpuNow(ctx).per(before, ours.Requests*11/10)
	second, err := server.Fetch(ctx, mailConns, mailPage, b.seconds/2)
	if err != nil {
		return err
	}
	bare := (first.Rate + second.Rate) / 2
	b.rate(name, fmt.Sprintf("GET /v3/grants/{id}/messages?limit=%d, %d connections, Dovecot on this machine", mailPage, mailConns), ours, 0, cpu)
	b.note(figure{Measure: name, What: "bare FETCH of the same by go-imap, same server", Value: bare, Unit: "req/s", Note: fmt.Sprintf("before %.0f, after %.0f; p50 %s", first.Rate, second.Rate, short(first.P50))})
	if ours.Rate > 0 {
		b.note(figure{Measure: name, What: "listing by a bare FETCH, in time", Value: bare / ours.Rate, Unit: "times", Goal: 1.3, AtMost: true})
	}
	return nil
}

// connectIMAP connects the server's mailbox as a program does.
func (w *world) connectIMAP(ctx context.Context, server *load.Dovecot) (string, error) {
	e := w.process.engine
	if _, err := e.Applications.CreateConnector(ctx, system, w.application, applications.ConnectorDraft{Provider: "imap"}); err != nil && fault.KindOf(err) != fault.Conflict {
		return "", err // else another measure has made it
	}
	actor, err := e.Access.Program(ctx, secret.New(w.key), netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		return "", err
	}
	g, err := e.Grants.Custom(ctx, actor, grants.CustomRequest{Provider: "imap", Tenant: w.tenants[0], Address: server.Login, Password: secret.New(server.Password),
		Settings: map[string]string{provider.IMAPHost: server.Host, provider.IMAPPort: server.Port, provider.IMAPTLS: provider.Plain}})
	return g.ID.String(), err
}
