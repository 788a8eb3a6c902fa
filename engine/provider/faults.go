package provider

import (
	"errors"

	"github.com/postern-mail/postern/engine/fault"
)

// What connectors answer, for errors.Is. Each may carry a cause, which is for the log only.
var (
	// ErrInvalidGrant is a provider's word that a code or refresh token is spent, expired, revoked or not ours (RFC 6749 section 5.2).
	ErrInvalidGrant = fault.New(fault.Unproven, "invalid_grant", "The provider no longer accepts this connection. Reconnect the mailbox.")
	// ErrAppRefused says that the provider does not take our client id or secret (RFC 6749 section 5.2, invalid_client).
	ErrAppRefused = fault.New(fault.Upstream, "provider_client_refused", "The provider does not accept this installation's client id or secret. An administrator has to check the connector.")
	// ErrCredentialRefused is a mail server that refuses the stored password or the access token.
	ErrCredentialRefused = fault.New(fault.Unproven, "credential_refused", "The mail server refused the stored sign-in. Reconnect the mailbox.")
	// ErrScopeMissing is a mail server that refuses an act for want of a scope.
	ErrScopeMissing = fault.New(fault.Denied, "insufficient_scopes", "This mailbox was connected without the permission for that. Reconnect it and allow it.")
	// ErrLoginRefused is Check's answer to a wrong user name or password.
	ErrLoginRefused = fault.New(fault.Invalid, "login_refused", "The mail server refused this user name and password. Check both; many providers want an app password here.").At("password")
	// ErrUnreachable covers closed, filtered, private, absent and wrong-protocol alike, on purpose: telling them apart would let
	// whoever may name a server map our network.
	ErrUnreachable = fault.New(fault.Upstream, "mail_server_unreachable", "No mail server could be reached there. Check the server name and port.")
	// ErrBadAnswer is a mail server that breaks the protocol, stalls or hangs up.
	ErrBadAnswer = fault.New(fault.Upstream, "mail_server_answer", "The mail server gave no usable answer. Try again in a few minutes.")
	// ErrCertificate is a certificate that does not prove the server's name.
	ErrCertificate = fault.New(fault.Upstream, "mail_server_certificate", "The mail server's certificate is not valid for its name, has expired, or comes from an unknown issuer. Its operator must renew it; Postern does not connect without.")
	// ErrNoTLS is a server that does not offer the encryption asked for.
	ErrNoTLS = fault.New(fault.Upstream, "mail_server_tls", "The mail server offers no encrypted connection on this port. Try port 993 with TLS.")
	// ErrMessageNotFound and ErrFolderNotFound: absent, or an id that was never ours.
	ErrMessageNotFound = fault.New(fault.NotFound, "message_not_found", "There is no such message in this mailbox. It may have been moved or deleted.")
	ErrFolderNotFound  = fault.New(fault.NotFound, "folder_not_found", "There is no such folder in this mailbox.")
	ErrThreadNotFound  = fault.New(fault.NotFound, "thread_not_found", "There is no such thread in this mailbox.")
	ErrDraftNotFound   = fault.New(fault.NotFound, "draft_not_found", "There is no such draft in this mailbox. It may have been sent or deleted.")
	// ErrFolderExists and ErrFolderSystem refuse a change of folders.
	ErrFolderExists = fault.New(fault.Conflict, "folder_exists", "There is a folder of that name already.").At("name")
	ErrFolderSystem = fault.New(fault.Invalid, "folder_system", "This folder belongs to the mailbox itself. It can be neither renamed nor deleted.")
	// ErrAttachmentNotFound: the message is there and has no such part.
	ErrAttachmentNotFound = fault.New(fault.NotFound, "attachment_not_found", "This message has no such attachment.")
	// ErrCursor is a page cursor that is broken, of other filters, or older than a rebuild of the folder.
	ErrCursor = fault.New(fault.Invalid, "cursor_invalid", "This page cursor is not valid any more. Start again from the first page.").At("page_token")
	// ErrTooLarge is a message beyond what is read in one piece.
	ErrTooLarge = fault.New(fault.Invalid, "message_too_large", "This message is too large to be read in one piece.")
	// ErrRecipientRefused is a mail server that will not take one of the recipients.
	ErrRecipientRefused = fault.New(fault.Invalid, "recipient_refused", "The mail server refused one of the recipients.").At("to")
	// ErrUnknownProvider is a name that is not in the set.
	ErrUnknownProvider = fault.New(fault.NotFound, "provider_unknown", "This provider is not set up here.")
)

type reason string

func (r reason) Error() string { return string(r) }

// InvalidGrant is ErrInvalidGrant with the provider's own words. words must hold no token.
func InvalidGrant(words string) error { return ErrInvalidGrant.Because(reason(printable(words, 300))) }

// ReasonOf is the provider's own words in an ErrInvalidGrant; empty when there are none. They are foreign text.
func ReasonOf(err error) string {
	var r reason
	if errors.As(err, &r) {
		return string(r)
	}
	return ""
}

// The causes of a cut at the provider, as grants keep them. Google's stand with its security events.
const (
	// ClaimsChallenge is Microsoft's continuous access evaluation: the account was disabled or its sign-ins were revoked, its password changed, or a policy of the
	// organisation forbids the access ("Continuous access evaluation").
	ClaimsChallenge = "claims_challenge"
)

type cutOff struct{ cause, text string }

func (c cutOff) Error() string { return c.text }

// CutOff is ErrCredentialRefused with the provider's word that it ended the access itself: no token that merely ran out. text is for the log and must hold no token.
func CutOff(cause, text string) error {
	return ErrCredentialRefused.Because(cutOff{cause, printable(text, 300)})
}

// CutCause is why a provider ended an access; empty for every error that is not CutOff's.
func CutCause(err error) string {
	var c cutOff
	errors.As(err, &c)
	return c.cause
}

// printable keeps foreign text on one line and short, so that a banner cannot forge a log line or a page.
func printable(s string, most int) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if len(out) == most {
			return string(out) + "…"
		}
		if r < ' ' || r == 0x7f || r == 0xfffd {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}
