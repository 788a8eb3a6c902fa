package provider

import (
	"context"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/secret"
)

// Connector reaches one provider. All connectors are safe for concurrent use.
type Connector interface {
	Name() string  // google, microsoft, yahoo, icloud, imap, ews, nylas, sandbox
	Label() string // for people
	// Close drops what is kept open for an account, calls in flight included, before it returns.
	// It is safe to repeat, and for a key that was never used.
	Close(key string)
	// Held lists the keys of which anything is kept, in no order.
	Held() []string
}

// OAuth is a connector whose consent is given at the provider.
//
// Exchange and Refresh answer ErrInvalidGrant (use errors.Is; ReasonOf gives the provider's words) when the provider says that
// code or refresh token is not good, and fault.Upstream for everything that may pass. No error holds a token or a raw body.
type OAuth interface {
	Connector
	AuthURL(App, AuthRequest) (string, error)
	Exchange(ctx context.Context, app App, code, verifier secret.Text) (Token, Identity, error)
	Refresh(ctx context.Context, app App, refresh secret.Text) (Token, error)
	DefaultScopes() []string
}

// Revoker is a connector that can tell the provider. Revoke probes afterwards, and is safe to repeat.
// An error means: not known, try again later. A provider that says no for good answers a Revocation.
type Revoker interface {
	Revoke(context.Context, App, Token) (Revocation, error)
}

// Password is a connector whose mailboxes open with a password. Check tries it live and answers the settings that worked;
// nothing is kept. Its faults are meant for the form: Invalid at "password", at "imap_host", ..., or Upstream.
type Password interface {
	Connector
	Check(context.Context, Login) (Identity, map[string]string, error)
}

// Adopter is a connector that takes over an authorization which exists at the provider already, by its id there. It is checked live; nothing is kept, and nothing
// changed at the provider. Its faults are meant for the caller: Invalid at "settings.grant_id", or Upstream.
type Adopter interface {
	OAuth
	Adopt(ctx context.Context, app App, id string) (Token, Identity, error)
}

// Delegate is a connector that reaches mailboxes by their administrator's word alone: an App that is Delegated may act for everybody whom it names. There is no refresh
// token; whoever needs another access token calls it again. ErrInvalidGrant, as with OAuth, when the provider says that this is over; other faults are meant for the caller.
// Scopes are those of the provider's table; Token.Scopes is what was asked for in the end.
type Delegate interface {
	OAuth
	Delegated(ctx context.Context, app App, address string, scopes []string) (Token, Identity, error)
}

// Onward is a connector whose consent page sends the browser on to other origins, which the page before it must be allowed to lead to.
type Onward interface{ Onward() []string }

// Domains is a connector that owns mail domains, such as the sandbox.
type Domains interface{ Domains() []string }

// The capabilities of a mailbox. Each answers ErrMessageNotFound or ErrFolderNotFound for an unknown id, ErrCredentialRefused when the
// provider no longer takes the credential, fault.Invalid for a query it cannot take, fault.Upstream for a provider that fails.

// MessageLister lists newest first: the order in which mail reached the folder, last one first.
type MessageLister interface {
	ListMessages(context.Context, Account, email.Query) (email.Page[email.Message], error)
}

// MessageReader reads one message.
type MessageReader interface {
	Message(ctx context.Context, a Account, id string, fields email.Fields) (email.Message, error)
}

// MessageUpdater marks and moves one message and answers it as it then is. Its id may change with a move.
type MessageUpdater interface {
	UpdateMessage(ctx context.Context, a Account, id string, change email.Change) (email.Message, error)
}

// MessageDeleter moves one message to the trash, or with forever erases it.
type MessageDeleter interface {
	DeleteMessage(ctx context.Context, a Account, id string, forever bool) error
}

// FolderLister lists all folders, flat.
type FolderLister interface {
	ListFolders(context.Context, Account) ([]email.Folder, error)
}

// Sender sends a message and keeps it among the sent ones. The answer has an ID only where the provider tells it.
type Sender interface {
	Send(context.Context, Account, email.Draft) (email.Message, error)
}
