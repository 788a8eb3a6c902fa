package grants

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	codeLife    = time.Minute      // RFC 6749 section 4.1.2 asks for at most ten; a program redeems at once
	pendingLife = 10 * time.Minute // then a consent that no program redeemed is destroyed
)

// PasswordLogin is the password form of a flow.
type PasswordLogin struct {
	Flow     models.FlowID
	Browser  secret.Text
	Address  string
	Username string
	Password secret.Text
	Settings map[string]string // hosts and ports where the person gave them
}

// FormOf reads what the password form of a flow says, for the browser that the flow belongs to.
func (s *Service) FormOf(ctx context.Context, id models.FlowID, browser secret.Text) (Consent, models.ConnectFlow, error) {
	f, err := s.ownFlow(ctx, id, browser)
	if err != nil {
		return Consent{}, f, err
	}
	if f.SpentAt != nil || !s.now().Before(f.ExpiresAt) {
		return Consent{}, f, ErrFlowSpent
	}
	c, err := s.consent(ctx, f)
	c.Flow = id
	return c, f, err
}

func (s *Service) ownFlow(ctx context.Context, id models.FlowID, browser secret.Text) (models.ConnectFlow, error) {
	f, err := s.flow(ctx, id)
	if err != nil {
		return f, err
	}
	if len(f.BrowserHash) == 0 || !secret.New(string(models.HashToken(browser.Reveal()))).Equal(secret.New(string(f.BrowserHash))) {
		return f, errBrowser
	}
	return f, nil
}

// Submit tries the password live and connects the mailbox. A refused password leaves the flow open: the person can correct it.
func (s *Service) Submit(ctx context.Context, login PasswordLogin) (Done, error) {
	f, err := s.ownFlow(ctx, login.Flow, login.Browser)
	if err != nil {
		return Done{}, err
	}
	if f.SpentAt != nil || !s.now().Before(f.ExpiresAt) {
		return Done{}, ErrFlowSpent
	}
	connector, err := s.providers.Connector(f.Provider)
	if err != nil {
		return Done{}, err
	}
	byPassword, ok := connector.(provider.Password)
	if !ok {
		return Done{}, ErrFlowSpent
	}
	who, settings, err := byPassword.Check(ctx, provider.Login{Address: login.Address, Username: login.Username, Password: login.Password, Settings: login.Settings})
	if err != nil {
		return Done{}, err
	}
	err = s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error { return tx.SpendConnectFlow(f.TenantID, f.ID, s.now()) })
	if absent(err) {
		return Done{}, ErrFlowSpent
	}
	if err != nil {
		return Done{}, fmt.Errorf("take a password form: %w", err)
	}
	f.Subject, f.Email, f.Name, f.Settings, f.ScopesGranted = who.Subject, who.Email, who.Name, settings, f.ScopesRequested
	if f.Login = login.Username; f.Login == "" {
		f.Login = login.Address
	}
	return s.arrive(ctx, f, tokens.Credential{Password: login.Password})
}

// arrive decides what a proven sign-in leads to: another account than the one expected is refused and nothing of it is kept; one that gave less than was asked is held
// until the person decides; all else connects.
func (s *Service) arrive(ctx context.Context, f models.ConnectFlow, c tokens.Credential) (Done, error) {
	expected, err := s.wrongAccount(ctx, f)
	if err != nil {
		return Done{}, err
	}
	if expected != "" {
		f.ExpectedEmail = expected
		text := fmt.Sprintf("%s signed in, but this connection is for %s. Nothing was connected.", f.Email, expected)
		done := Done{Flow: f, Outcome: WrongAccount, Public: text, RedirectURL: returnURL(f, "", "access_denied", "Another account than the expected one signed in.")}
		return done, s.over(ctx, f, WrongAccount, "connect.wrong_account", map[string]string{"provider": f.Provider})
	}
	if f.Outcome = ""; len(missing(f)) > 0 {
		f.Outcome = Partial
	}
	err = s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error {
		if err := tx.HoldConnectFlow(f); err != nil {
			return err
		}
		return s.tokens.Save(ctx, tx, f.TenantID, tokens.Flow(f.ID), c)
	})
	if absent(err) {
		return Done{}, ErrFlowSpent
	}
	if err != nil {
		return Done{}, fmt.Errorf("hold a connect flow: %w", err)
	}
	if f.Outcome == Partial {
		return partial(f), nil
	}
	return s.connect(ctx, f)
}

// wrongAccount names the address that was expected, when another one signed in.
func (s *Service) wrongAccount(ctx context.Context, f models.ConnectFlow) (string, error) {
	if f.GrantID != nil {
		var g models.Grant
		err := s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) (err error) {
			g, err = tx.Grant(f.TenantID, *f.GrantID)
			return err
		})
		if absent(err) {
			return "", fault.New(fault.Gone, "grant_gone", "The connection to renew was deleted meanwhile. Ask for a new link.")
		}
		if err != nil {
			return "", fmt.Errorf("read the grant to reconnect: %w", err)
		}
		if g.Provider != f.Provider || g.Subject != f.Subject {
			return g.Email, nil
		}
		return "", nil
	}
	if f.ExpectedEmail != "" && !strings.EqualFold(f.ExpectedEmail, f.Email) {
		return f.ExpectedEmail, nil
	}
	return "", nil
}

// missing lists the scopes that were asked for and not given.
func missing(f models.ConnectFlow) []string {
	var out []string
	for _, scope := range f.ScopesRequested {
		if s, known := provider.ScopeOf(f.Provider, scope); known && s.Identity {
			continue // providers word these differently; the identity we got is the proof
		}
		if !slices.Contains(f.ScopesGranted, scope) {
			out = append(out, scope)
		}
	}
	return out
}

func partial(f models.ConnectFlow) Done {
	d := Done{Flow: f, Outcome: Partial, MissingRaw: missing(f)}
	have := provider.CapabilitiesOf(f.Provider, f.ScopesGranted)
	for _, c := range provider.CapabilitiesOf(f.Provider, f.ScopesRequested) {
		if !slices.Contains(have, c) {
			d.Missing = append(d.Missing, c)
		}
	}
	return d
}

// Held reads a flow that waits for the person's decision, for the browser it belongs to.
func (s *Service) Held(ctx context.Context, id models.FlowID, browser secret.Text) (Done, error) {
	f, err := s.ownFlow(ctx, id, browser)
	if err != nil {
		return Done{}, err
	}
	if f.Outcome != Partial || !s.now().Before(f.ExpiresAt) {
		return Done{}, ErrFlowSpent
	}
	return partial(f), nil
}

// GoOn connects with what was given.
func (s *Service) GoOn(ctx context.Context, id models.FlowID, browser secret.Text) (Done, error) {
	d, err := s.Held(ctx, id, browser)
	if err != nil {
		return Done{}, err
	}
	return s.connect(ctx, d.Flow)
}

// AskAgain leads the browser to the provider once more, with a flow of its own for a state of its own: from a flow that gave less than was asked, or from one that
// waited for an administrator. Only the first makes the provider show its consent page anew: after an administrator's approval that page would ask the person again
// for what only the administrator may give.
func (s *Service) AskAgain(ctx context.Context, id models.FlowID, browser secret.Text) (Next, error) {
	f, err := s.ownFlow(ctx, id, browser)
	if err != nil {
		return Next{}, err
	}
	now := s.now()
	switch again := f.Outcome; {
	case again == NeedsAdmin:
		if f.ExpiresAt, err = s.flowEnd(ctx, f); err != nil {
			return Next{}, err
		}
		f.CreatedAt = now
	case again != Partial || !now.Before(f.ExpiresAt):
		return Next{}, ErrFlowSpent
	}
	anew := f.Outcome == Partial
	if err := s.over(ctx, f, AskedAgain, "connect.asked_again", map[string]string{"provider": f.Provider}); err != nil {
		return Next{}, err
	}
	f.ID = models.NewID[models.FlowID](s.clock())
	err = s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error { return tx.InsertConnectFlow(f) })
	if err != nil {
		return Next{}, fmt.Errorf("ask again: %w", err)
	}
	return s.Go(ctx, Step{Flow: f.ID, Browser: browser, Provider: f.Provider, Email: f.Email, Again: anew})
}

// flowEnd is until when a flow that begins now may last: an approval can take longer than the flow before it, but a link never lasts longer for it.
func (s *Service) flowEnd(ctx context.Context, f models.ConnectFlow) (time.Time, error) {
	end := s.now().Add(flowLife)
	if f.LinkID == nil {
		return end, nil
	}
	var l models.ConnectLink
	err := s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) (err error) {
		l, err = tx.ConnectLink(f.TenantID, *f.LinkID)
		return err
	})
	switch {
	case err != nil && !absent(err):
		return end, fmt.Errorf("read the link of a flow: %w", err)
	case err != nil || l.State(s.now()) != "open":
		return end, ErrLinkSpent
	case l.ExpiresAt.Before(end):
		end = l.ExpiresAt
	}
	return end, nil
}

// ExpirePending is the job that destroys a consent that no program redeemed.
type ExpirePending struct {
	Tenant models.TenantID `json:"tenant"`
	Flow   models.FlowID   `json:"flow"`
}

// Kind names the job.
func (ExpirePending) Kind() string { return "expire_pending" }

// connect makes or finds the mailbox's one grant. A link's flow makes it valid at once; a program's flow leaves it as it is and issues a code, whose redemption brings
// the new credential into force.
func (s *Service) connect(ctx context.Context, f models.ConnectFlow) (Done, error) {
	done := Done{Outcome: Connected}
	var code string
	err := s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error {
		now := s.now()
		if t, err := tx.Tenant(f.TenantID); err != nil || t.State != models.TenantActive {
			return fault.New(fault.Gone, "tenant_inactive", "This organisation is being closed. Nothing was connected.")
		}
		g, err := tx.InsertGrant(models.Grant{TenantID: f.TenantID, ID: models.NewID[models.GrantID](now), ApplicationID: f.ApplicationID, Provider: f.Provider, Subject: f.Subject,
			Email: f.Email, Name: f.Name, Login: f.Login, Status: models.GrantPending, StatusReason: "consented", StatusAt: now, Settings: f.Settings,
			ScopesRequested: f.ScopesRequested, ScopesGranted: f.ScopesGranted, State: f.ClientState, Address: f.Address, UserAgent: f.UserAgent, CreatedAt: now, UpdatedAt: now})
		if err != nil {
			return err
		}
		f.GrantID = &g.ID
		if f.LinkID == nil {
			code = models.NewToken("")
			if err := tx.IssueConnectCode(f.TenantID, f.ID, g.ID, models.HashToken(code), now.Add(codeLife)); err != nil {
				return err
			}
			done.Grant = g
			return s.outbox.Job(ctx, tx, ExpirePending{Tenant: f.TenantID, Flow: f.ID}, &river.InsertOpts{ScheduledAt: now.Add(pendingLife)})
		}
		if err := tx.MarkConnectLinkUsed(f.TenantID, *f.LinkID, now); err != nil {
			if absent(err) {
				return ErrLinkSpent
			}
			return err
		}
		if err := tx.CloseConnectFlow(f.TenantID, f.ID, Connected, now); err != nil {
			return err
		}
		if err := tx.SetConnectFlowGrant(f.TenantID, f.ID, g.ID); err != nil {
			return err
		}
		done.Grant, err = s.activate(ctx, tx, flowActor(f), f, g)
		return err
	})
	if absent(err) {
		return Done{}, ErrFlowSpent
	}
	if err != nil {
		return Done{}, fmt.Errorf("connect a mailbox: %w", err)
	}
	done.Flow = f
	if code != "" {
		done.RedirectURL = returnURL(f, code, "", "")
	}
	return done, nil
}

// activate brings the credential of a flow into force: the grant is valid from here. g is the locked row as it was.
func (s *Service) activate(ctx context.Context, tx *store.Tx, actor models.Actor, f models.ConnectFlow, g models.Grant) (models.Grant, error) {
	if err := s.tokens.Adopt(ctx, tx, g.TenantID, f.ID, g.ID); err != nil {
		return g, err
	}
	now := s.now()
	again := g.Status != models.GrantPending
	n := g
	n.Status, n.StatusReason, n.Email, n.Name, n.Login, n.Settings = models.GrantValid, "connected", f.Email, f.Name, f.Login, f.Settings
	n.ScopesRequested, n.ScopesGranted, n.State, n.Address, n.UserAgent = f.ScopesRequested, f.ScopesGranted, f.ClientState, f.Address, f.UserAgent
	n.CredentialID = f.CredentialID
	if again {
		n.StatusReason = "reconnected"
	}
	if err := tx.MarkGrantConnected(n, now); err != nil {
		return g, err
	}
	n.Credential, n.UpdatedAt, n.StatusAt, n.AuthenticatedAt, n.RevokedAt = g.Credential+1, now, now, &now, nil
	entry := objectOf(n)
	entry.Action, entry.Detail = "grant.connect", map[string]string{"provider": n.Provider, "scopes": strings.Join(n.ScopesGranted, " "), "missing": strings.Join(n.Missing(), " ")}
	if again {
		entry.Action = "grant.reconnect"
	}
	if err := s.audit.Append(ctx, tx, actor, entry); err != nil {
		return n, err
	}
	if again {
		return n, s.tell(ctx, tx, n, "grant.updated", Notice{Code: codeReauth, Reauthentication: &again, Name: n.Name, Scope: n.ScopesGranted})
	}
	return n, s.tell(ctx, tx, n, "grant.created", Notice{Code: codeCreated, LoginID: f.ID.String(), Name: n.Name, Scope: n.ScopesGranted})
}

type expireWorker struct {
	river.WorkerDefaults[ExpirePending]
	s *Service
}

// Work destroys what was not redeemed in time. It is safe to run twice.
func (w *expireWorker) Work(ctx context.Context, job *river.Job[ExpirePending]) error {
	s := w.s
	err := s.store.InTenant(ctx, job.Args.Tenant, func(tx *store.Tx) error {
		f, err := tx.ConnectFlowForUpdate(job.Args.Tenant, job.Args.Flow)
		if err != nil {
			return err
		}
		// A redeemed flow has given its credential away: then there is nothing to destroy.
		if _, err := s.tokens.Destroy(ctx, tx, f.TenantID, tokens.Flow(f.ID)); err != nil {
			return err
		}
		if f.CodeSpentAt != nil || f.GrantID == nil {
			return nil
		}
		if err := tx.SpendConnectCode(f.TenantID, f.ID, s.now()); err != nil {
			return err
		}
		g, err := tx.GrantForUpdate(f.TenantID, *f.GrantID)
		if err != nil {
			return err
		}
		entry := objectOf(g)
		entry.Action, entry.Outcome = "grant.connect", models.OutcomeFailed
		entry.Detail = map[string]string{"reason": "the program did not redeem the code in time"}
		if err := s.audit.Append(ctx, tx, models.System("pending grants"), entry); err != nil || g.Status != models.GrantPending {
			return err
		}
		return tx.DeleteGrant(g.TenantID, g.ID)
	})
	if absent(err) {
		return nil
	}
	return err
}

// Workers registers the jobs of this package.
func (s *Service) Workers(w *river.Workers) {
	river.AddWorker(w, &severWorker{s: s})
	river.AddWorker(w, &expireWorker{s: s})
	river.AddWorker(w, &batchWorker{s: s})
}
