package provider

import (
	"context"

	"github.com/postern-mail/postern/engine/secret"
)

// Push is where a provider may say that something changed in one mailbox. What arrives there is a hint to look, nothing more.
type Push struct {
	Address string      // https; it is this mailbox's alone, and no secret
	State   secret.Text // what the provider repeats with each push, at most 128 characters; it proves that the push was asked for here
}

// Pushed is a watch whose provider sends pushes. Lapsed tells it that the provider has ended them or is about to: the next look asks for them anew. It is safe to call while
// another goroutine is in Look or Wait.
type Pushed interface{ Lapsed() }

// Silencer is a connector that asks its provider for pushes, one mailbox at a time, and can end them. Silence ends those to an address, with a token of the mailbox; none is
// no error. ErrInvalidGrant: the token is not good any more, and neither are the pushes. Other errors mean: not known, try again. It is safe to repeat.
type Silencer interface {
	Silence(ctx context.Context, app App, t Token, address string) error
}
