package applications

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// checkWithin bounds a live check: a person is waiting for it.
const checkWithin = 15 * time.Second

var errUncheckable = fault.New(fault.Invalid, "connector_not_checkable", "There is nothing to check here: this provider needs no registration. Each mailbox is checked when it is connected.")

// CheckConnector asks the provider whether it takes our client id and secrets, and keeps what it said. A refresh token that nobody ever issued is presented: the provider
// looks at the client first (RFC 6749 section 6), so that invalid_grant means the registration is good and invalid_client that it is not. No mailbox is touched. What is
// not checked: redirect addresses and scopes, which only a consent shows. A provider of passwords is a fault of kind Invalid.
func (s *Service) CheckConnector(ctx context.Context, actor models.Actor, application models.ApplicationID, name string) (models.Connector, error) {
	row, app, err := s.registration(ctx, actor, application, name)
	if err != nil {
		return row, err
	}
	oauth, ok := s.oauth(name)
	if !ok {
		return row, errUncheckable
	}
	outcome := try(ctx, oauth, app)
	var before models.CheckOutcome
	if row.SecretBeforeAt != nil {
		app.ClientSecret = app.SecretBefore
		before = try(ctx, oauth, app)
	}
	err = s.change(ctx, actor, models.WriteConnectors, application, func(tx *store.Tx) error {
		now, err := tx.Connector(application, name)
		if err != nil {
			return err
		}
		if !now.UpdatedAt.Equal(row.UpdatedAt) { // changed while we asked: the answer is about something that is not there any more
			row = now
			return nil
		}
		at := s.now().UTC()
		row.CheckedAt, row.CheckOutcome, row.CheckBefore = &at, outcome, before
		if err := tx.ChangeConnector(row); err != nil {
			return err
		}
		said := connectorEntry("connector.check", row)
		said.Detail["outcome"] = string(outcome)
		return s.audit.Append(ctx, tx, actor, said)
	})
	return row, err
}

// Ending is every connector whose client secret has ended or ends soon, for those who may change connectors; the first to end first.
func (s *Service) Ending(ctx context.Context, actor models.Actor) ([]models.Connector, error) {
	if !actor.May(models.WriteConnectors) || !actor.Application.IsZero() {
		return nil, nil
	}
	var list, out []models.Connector
	now := s.now()
	err := s.store.OnPlatform(ctx, "find client secrets that end soon", func(tx *store.Tx) (err error) {
		list, err = tx.ConnectorsEnding(now.AddDate(0, 0, 61))
		return err
	})
	for _, c := range list {
		if c.SecretEnding(now) {
			out = append(out, c)
		}
	}
	return out, err
}

func (s *Service) oauth(name string) (provider.OAuth, bool) {
	if s.providers == nil {
		return nil, false
	}
	connector, err := s.providers.Connector(name)
	if err != nil {
		return nil, false
	}
	oauth, ok := connector.(provider.OAuth)
	return oauth, ok
}

// Checkable says whether CheckConnector has something to ask for a provider.
func (s *Service) Checkable(name string) bool {
	_, ok := s.oauth(name)
	return ok
}

// registration reads a connector and opens its secrets.
func (s *Service) registration(ctx context.Context, actor models.Actor, application models.ApplicationID, name string) (models.Connector, provider.App, error) {
	var row models.Connector
	err := s.in(ctx, actor, models.WriteConnectors, application, func(tx *store.Tx) (err error) { row, err = tx.Connector(application, name); return err })
	if err != nil {
		return row, provider.App{}, err
	}
	app := provider.App{ClientID: row.ClientID, Settings: row.Settings}
	err = s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		for field, into := range map[string]*secret.Text{secretField: &app.ClientSecret, secretBeforeField: &app.SecretBefore} {
			value, err := s.safe.Open(ctx, tx, models.PlatformSpace, secretOwner(row.ID), field)
			if err != nil && !errors.Is(err, sealed.ErrAbsent) {
				return err
			}
			*into = value
		}
		return nil
	})
	return row, app, err
}

// try presents one secret alone.
func try(ctx context.Context, oauth provider.OAuth, app provider.App) models.CheckOutcome {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	app.SecretBefore = secret.Text{}
	_, err := oauth.Refresh(ctx, app, secret.New("postern-live-check-"+rand.Text()))
	switch {
	case errors.Is(err, provider.ErrInvalidGrant):
		return models.CheckAccepted
	case errors.Is(err, provider.ErrAppRefused):
		return models.CheckRefused
	default:
		return models.CheckNoAnswer
	}
}
