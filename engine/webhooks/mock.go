package webhooks

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/postern-mail/postern/models"
)

// Mock events carry ids that name nothing, so that a receiver which looks them up finds nothing.
const (
	mockGrant   = "00000000-0000-4000-8000-000000000001"
	mockMessage = "mock-message"
	mockThread  = "mock-thread"
	mockFolder  = "mock-folder"
	mockEmail   = "ada@example.com"
)

type object map[string]any

// mockEvent is the row of an event that never happened.
func mockEvent(trigger string, application models.ApplicationID, at time.Time) models.Event {
	grant, _ := models.ParseID[models.GrantID](mockGrant) // a constant of the right form
	return models.Event{ID: models.NewID[models.EventID](at), ApplicationID: application, GrantID: &grant, Type: trigger, Source: mockSource(trigger), OccurredAt: at}
}

// mockSource is the source that a genuine event of the trigger has.
func mockSource(trigger string) string {
	kind, rest, _ := strings.Cut(trigger, ".")
	switch {
	case kind == "grant":
		return "/nylas/system"
	case strings.HasPrefix(rest, "send_"):
		return "/nylas/send"
	case strings.HasPrefix(rest, "opened"), strings.HasPrefix(rest, "link_clicked"), strings.HasPrefix(rest, "replied"):
		return "/com/nylas/tracking"
	case kind == "contact":
		return "/google/contacts/realtime"
	case kind == "folder":
		return "/google/folders/realtime"
	default:
		return "/google/emails/realtime"
	}
}

// mockObject is data.object of a made-up event, complete in the fields of its trigger.
func mockObject(trigger string, application models.ApplicationID, at time.Time) []byte {
	text, err := json.Marshal(mockFields(trigger, application, at))
	if err != nil {
		return []byte("{}") // maps of texts, numbers and lists always marshal
	}
	return text
}

func mockFields(trigger string, application models.ApplicationID, at time.Time) object {
	unix := at.Unix()
	kind, rest, _ := strings.Cut(trigger, ".")
	rest = strings.TrimSuffix(rest, ".legacy")
	switch {
	case kind == "grant":
		return mockGrantFields(rest, application, unix)
	case kind == "folder" && rest == "deleted":
		return object{"id": mockFolder, "grant_id": mockGrant, "object": "folder"}
	case kind == "folder":
		return object{"id": mockFolder, "grant_id": mockGrant, "object": "folder", "name": "Invoices", "total_count": 12, "unread_count": 3,
			"child_count": 0, "system_folder": false, "attributes": []string{}}
	case kind == "contact" && rest == "deleted":
		return object{"id": "mock-contact", "grant_id": mockGrant, "object": "contact"}
	case kind == "contact":
		return object{"id": "mock-contact", "grant_id": mockGrant, "object": "contact", "given_name": "Grace", "surname": "Hopper",
			"emails": []object{{"email": "grace@example.com", "type": "work"}}, "source": "address_book"}
	case kind == "thread":
		return object{"object": "thread", "grant_id": mockGrant, "message_id": mockMessage, "root_message_id": "mock-root", "reply_to_message_id": "mock-root",
			"thread_id": mockThread, "label": "mock", "reply_data": object{"count": 1}, "from_self": false, "sender_app_id": application.String(), "timestamp": unix}
	}
	switch rest {
	case "deleted":
		return object{"id": mockMessage, "grant_id": mockGrant, "object": "message"}
	case "opened":
		return object{"object": "message", "grant_id": mockGrant, "message_id": mockMessage, "label": "mock", "message_data": object{"count": 1, "timestamp": unix},
			"recents":       []object{{"opened_id": 1, "ip": "192.0.2.1", "timestamp": unix, "user_agent": "Mozilla/5.0"}},
			"sender_app_id": application.String(), "timestamp": unix}
	case "link_clicked":
		return object{"object": "message", "grant_id": mockGrant, "message_id": mockMessage, "label": "mock",
			"link_data":     []object{{"url": "https://example.com/offer", "count": 1}},
			"recents":       []object{{"click_id": 1, "ip": "192.0.2.1", "link_index": "0", "timestamp": unix, "user_agent": "Mozilla/5.0"}},
			"sender_app_id": application.String(), "timestamp": unix}
	case "bounce_detected":
		return object{"bounce_reason": "The mailbox does not exist.", "bounce_date": at.UTC().Format(time.RFC1123Z), "bounced_addresses": "nobody@example.com",
			"type": "mailbox_unavailable", "code": "550", "grant_id": mockGrant,
			"origin": object{"to": []string{"nobody@example.com"}, "cc": []string{}, "bcc": []string{}, "from": mockEmail, "subject": "A made-up message",
				"mime_id": "<mock@example.com>", "id": mockMessage, "original_send_at": unix}}
	}
	message := mockMessageFields(unix)
	if rest == "created.cleaned" {
		message["body"], message["cleaning_status"] = "A made-up message.", "success"
	}
	return message
}

func mockGrantFields(what string, application models.ApplicationID, unix int64) object {
	o := object{"grant_id": mockGrant, "integration_id": application.String(), "provider": "google"}
	switch what {
	case "created":
		o["code"], o["email"], o["name"], o["login_id"] = 25012, mockEmail, "Ada Lovelace", "mock-login"
		o["scope"] = []string{"https://www.googleapis.com/auth/gmail.readonly"}
	case "updated":
		o["code"], o["email"], o["reauthentication_flag"] = 25014, mockEmail, false
	case "deleted":
		o["code"], o["email"] = 25013, mockEmail
	case "expired":
		o["code"], o["email"], o["grant_updated_at"] = 25009, mockEmail, unix
	default: // imap_sync_completed
		o["code"], o["provider"], o["type"] = 25012, "imap", "imap_sync_completed"
	}
	return o
}

func mockMessageFields(unix int64) object {
	return object{"id": mockMessage, "grant_id": mockGrant, "object": "message", "thread_id": mockThread, "subject": "A made-up message",
		"from": []object{{"name": "Grace Hopper", "email": "grace@example.com"}}, "to": []object{{"name": "Ada Lovelace", "email": mockEmail}},
		"cc": []object{}, "bcc": []object{}, "reply_to": []object{}, "date": unix, "created_at": unix, "folders": []string{"INBOX"},
		"unread": true, "starred": false, "snippet": "This message was made up to try a webhook.",
		"body": "<p>This message was made up to try a webhook.</p>", "attachments": []object{}}
}
