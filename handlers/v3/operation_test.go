package v3

import "testing"

func TestOperationsAreNamedByTheirRoutes(t *testing.T) {
	const g = "/v3/grants/:grant"
	for _, c := range []struct{ method, path, want string }{
		{"GET", g + "/messages", "messages.list"}, {"GET", g + "/messages/:message", "messages.read"}, {"PUT", g + "/messages/:message", "messages.update"},
		{"DELETE", g + "/messages/:message", "messages.delete"}, {"POST", g + "/messages/send", "messages.send"}, {"PUT", g + "/messages/clean", "messages.clean"},
		{"GET", g + "/messages/:message/attachments/:attachment", "attachments.read"}, {"GET", g + "/messages/:message/attachments/:attachment/download", "attachments.download"},
		{"GET", g + "/attachments/:attachment/download", "attachments.download"}, {"GET", g + "/messages/schedules", "schedules.list"}, {"DELETE", g + "/messages/schedules/:schedule", "schedules.delete"},
		{"POST", g + "/drafts", "drafts.create"}, {"POST", g + "/drafts/:draft", "drafts.send"}, {"GET", g + "/threads/:thread", "threads.read"}, {"POST", g + "/folders", "folders.create"},
		{"GET", g, ""}, {"GET", "/v3/grants", ""}, {"DELETE", g, ""}, {"GET", "/v3/webhooks/:webhook", ""}, {"OPTIONS", g + "/messages", ""},
	} {
		if got := operationOf(c.method, c.path); got != c.want {
			t.Errorf("%s %s is %q, want %q", c.method, c.path, got, c.want)
		}
	}
}
