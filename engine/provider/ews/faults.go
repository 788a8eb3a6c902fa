package ews

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

var (
	errOnline      = fault.New(fault.Invalid, "exchange_online", "This mailbox is in Microsoft 365, which takes no passwords. Go back and connect it with Microsoft.").At(HostSetting)
	errNoExchange  = fault.New(fault.Invalid, "mail_server_unknown", "We could not find the Exchange server for this address. Enter its name; it stands in the address of Outlook on the web.").At(HostSetting)
	errNotExchange = fault.New(fault.Upstream, "exchange_absent", "The server answers, but offers no Exchange Web Services there. Check the server name, or ask its administrator whether EWS is switched on.")
	errTooOld      = fault.New(fault.Upstream, "exchange_too_old", "This Exchange server is older than Exchange 2013, the oldest that Postern can read. Its administrator can offer the mailbox over IMAP instead.")
	errNoSignIn    = fault.New(fault.Upstream, "exchange_sign_in", "The Exchange server offers neither NTLM nor Basic sign-in for Exchange Web Services. Its administrator has to allow one of them.")
	errDenied      = fault.New(fault.Denied, "exchange_denied", "The Exchange server does not allow this account to do that. Its administrator can say why.")
	errSendAs      = fault.New(fault.Denied, "send_as_denied", "The Exchange server does not let this account send in that name.").At("from")
	errThrottled   = fault.New(fault.Limited, "provider_throttled", "The Exchange server takes no more requests from this account for now. Try again later.")
	errBusy        = fault.New(fault.Upstream, "provider_busy", "The Exchange server is busy, or takes no more requests from this account for now. Try again in a moment.")
	errNoMailbox   = fault.New(fault.Upstream, "mailbox_absent", "The account has no mailbox on this Exchange server, or it is being moved. Its administrator can say where it is.")
	errQuota       = fault.New(fault.Upstream, "mailbox_full", "The mailbox is full. Its owner must free some space first.")
	errTooLarge    = fault.New(fault.Invalid, "message_too_large", "The message is larger than the Exchange server takes.").At("attachments")
	errIntoSelf    = fault.New(fault.Invalid, "folder_parent_invalid", "A folder cannot be moved below itself, or where another of its name is.").At("parent_id")
	errRefused     = provider.ErrBadAnswer
)

// codeError is a ResponseCode that calls for another try.
type codeError string

func (e codeError) Error() string { return string(e) }

const stale = codeError("the item changed meanwhile")

// meaning turns a ResponseCode ("ResponseCode" in Microsoft's EWS reference) into what callers know. absent is what an unknown id means.
func meaning(code string, backOff time.Duration, absent *fault.Error) error {
	code = word(code)
	why := errors.New(code)
	switch code {
	case "ErrorItemNotFound", "ErrorCannotUseFolderIdForItemId", "ErrorCannotUseItemIdForFolderId", "ErrorObjectTypeChanged":
		return absent.Because(why)
	case "ErrorFolderNotFound", "ErrorParentFolderNotFound", "ErrorToFolderNotFound", "ErrorInvalidFolderId":
		return provider.ErrFolderNotFound.Because(why)
	case "ErrorInvalidChangeKey", "ErrorStaleObject", "ErrorIrresolvableConflict", "ErrorChangeKeyRequired", "ErrorChangeKeyRequiredForWriteOperations":
		return stale
	case "ErrorAccessDenied", "ErrorFolderPropertRequestFailed":
		return errDenied.Because(why)
	case "ErrorFolderExists":
		return provider.ErrFolderExists.Because(why)
	case "ErrorDeleteDistinguishedFolder", "ErrorMoveDistinguishedFolder":
		return provider.ErrFolderSystem.Because(why)
	case "ErrorAttachmentNotFound", "ErrorInvalidAttachmentId":
		return provider.ErrAttachmentNotFound.Because(why)
	case "ErrorMoveCopyFailed", "ErrorCannotMoveFolderToItself":
		return errIntoSelf.Because(why)
	case "ErrorAccountDisabled", "ErrorPasswordExpired", "ErrorPasswordChangeRequired", "ErrorAccountRestriction":
		return provider.ErrCredentialRefused.Because(why)
	case "ErrorServerBusy", "ErrorExceededConnectionCount": // how Exchange throttles (its EWS throttling page)
		return errThrottled.RetryAfter(backOff).Because(why)
	case "ErrorTooManyObjectsOpened", "ErrorInsufficientResources", "ErrorTimeoutExpired",
		"ErrorInternalServerTransientError", "ErrorConnectionFailed", "ErrorMailboxStoreUnavailable", "ErrorADUnavailable", "ErrorBatchProcessingStopped":
		return errBusy.RetryAfter(backOff).Because(why)
	case "ErrorNonExistentMailbox", "ErrorMissingEmailAddress", "ErrorMailboxMoveInProgress", "ErrorNoRespondingCASInDestinationSite", "ErrorMailboxConfiguration":
		return errNoMailbox.Because(why)
	case "ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion":
		return errTooOld.Because(why)
	case "ErrorQuotaExceeded", "ErrorQuotaExceededOnDelete":
		return errQuota.Because(why)
	case "ErrorMessageSizeExceeded", "ErrorAttachmentSizeLimitExceeded":
		return errTooLarge.Because(why)
	case "ErrorInvalidRecipients", "ErrorMissingRecipients", "ErrorInvalidSmtpAddress":
		return provider.ErrRecipientRefused.Because(why)
	case "ErrorSendAsDenied":
		return errSendAs.Because(why)
	case "ErrorInvalidRestriction", "ErrorQueryFilterTooLong", "ErrorUnsupportedQueryFilter", "ErrorSearchQueryHasTooManyKeywords", "ErrorQueryLanguageNotValid":
		return fault.New(fault.Invalid, "filter_invalid", "The Exchange server does not understand this search.").At("search_query_native").Because(why)
	}
	if strings.HasPrefix(code, "ErrorInvalidId") {
		return absent.Because(why)
	}
	return errRefused.Because(why)
}

// status turns an HTTP status that is not a SOAP answer into a fault; nil when the body is worth reading.
func status(r reply) error {
	switch {
	case r.status == http.StatusOK || r.status == http.StatusInternalServerError:
		return nil
	case r.status == http.StatusUnauthorized:
		if offered(r.header) == "" {
			return errNoSignIn
		}
		return provider.ErrCredentialRefused
	case r.status/100 == 3:
		if location := r.header.Get("Location"); onlineURL(location) {
			return errOnline
		}
		return errNotExchange.Because(errors.New("redirected"))
	case r.status == http.StatusForbidden:
		return errDenied.Because(errors.New("status 403"))
	case r.status == http.StatusNotFound || r.status == http.StatusMethodNotAllowed || r.status == http.StatusGone:
		return errNotExchange.Because(errors.New("status " + strconv.Itoa(r.status)))
	case r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable:
		n, _ := strconv.Atoi(r.header.Get("Retry-After"))
		if n < 0 || n > 86400 {
			n = 0
		}
		busy := errBusy
		if r.status == http.StatusTooManyRequests {
			busy = errThrottled
		}
		return busy.RetryAfter(time.Duration(n) * time.Second).Because(errors.New("status " + strconv.Itoa(r.status)))
	}
	return errRefused.Because(errors.New("status " + strconv.Itoa(r.status)))
}

// word keeps a server's own code to what a code may hold: it goes to the log.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 60)]
}

// errLogin is provider.ErrLoginRefused in words for this server.
var errLogin = fault.New(fault.Invalid, "login_refused", "The Exchange server refused this user name and password. Check both; the user name may have to look like name@example.com or DOMAIN\\name.").At("password")
