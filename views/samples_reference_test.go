package views_test

import (
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
)

func referenceSamples() []sample {
	list := pages.RefOperation{ID: "get-grants-grant-messages", Method: "GET", Path: "/v3/grants/{grant}/messages", Summary: "Messages, the newest first", Permission: "messages.read",
		Parameters: []pages.RefField{{Name: "grant", In: "path", Type: "text", Required: true, Description: "The grant's id, its mailbox's address, or me with an access token"}, {Name: "limit", In: "query", Type: "whole number, 1 to 200, otherwise 50"},
			{Name: "search_query_native_of_an_unusually_long_name", In: "query", Type: "text", Description: "The provider's own search language; without other filters"}},
		Curl: "curl \"https://postern.acme.example/v3/grants/$GRANT/messages?limit=20\" \\\n  -H \"Authorization: Bearer $POSTERN_API_KEY\"", Reply: "{\n  \"request_id\": \"019a7f40-1c2e-7c11-8a54-3d1f9b0c6e21\",\n  \"data\": []\n}", ReplyStatus: "200",
		Answers: []pages.RefAnswer{{Status: "200", Text: "Messages"}, {Status: "default", Text: "400 what was sent cannot be taken; 401 key, token or grant cannot be used"}}}
	send := pages.RefOperation{ID: "post-grants-grant-messages-send", Method: "POST", Path: "/v3/grants/{grant}/messages/send", Summary: hostile, Description: "JSON with up to 3 MB of content, or a form with up to 25 MB.", Permission: "messages.send",
		Bodies:  []pages.RefBody{{ContentType: "application/json", Fields: []pages.RefField{{Name: "to", Type: "list of objects", Required: true}, {Name: "to.email", Type: "text", Required: true, Depth: 1}, {Name: "is_plaintext", Type: "true or false", Description: "Otherwise the body is HTML"}}}},
		Request: "{\n  \"to\": [{ \"email\": \"ada@northwind.example\" }]\n}", Curl: "curl -X POST \"https://postern.acme.example/v3/grants/$GRANT/messages/send\"", Answers: []pages.RefAnswer{{Status: "202", Text: "It leaves at send_at"}}}
	root := pages.RefOperation{ID: "get-v3", Method: "GET", Path: "/v3", Summary: "Is anybody there", Open: true, Curl: "curl \"https://postern.acme.example/v3\""}
	remove := pages.RefOperation{ID: "delete-x", Method: "DELETE", Path: "/v3/grants/{grant}/messages/{message}", Summary: "Delete a message", Permission: "messages.write"}
	messages := pages.RefGroup{ID: "messages", Title: "Messages", Lede: "Nothing of it is kept here.", URL: "/reference/messages", Operations: []pages.RefOperation{list, send, remove}}
	view := pages.ReferenceView{Base: "https://postern.acme.example", Groups: []pages.RefGroup{messages, {ID: "service", Title: "Service", URL: "/reference/service", Operations: []pages.RefOperation{root}, Snippets: []pages.RefSnippet{{Language: "Node.js", Text: "// " + hostile + "\nexport function open(body, headers, ...secrets) {\n  return null; // a line that is longer than what fits beside its explanation, so that it has to be moved within its box\n}"}, {Language: "Python", Text: "def open_event(body, headers, *secrets):\n    return None"}}}}, MayMakeKeys: true,
		Errors: []pages.RefError{{Status: "400", Type: "api.invalid_request_error", Meaning: "A parameter or field cannot be taken."}, {Status: "500, 503", Type: "api.internal_error", Meaning: "Our fault."}}}
	crumb := layout.Crumb{Label: "API reference", URL: "/reference"}
	return []sample{
		{"reference", pages.Reference(page("API reference", "Settings"), view)},
		{"reference_chapter", pages.ReferenceChapter(kind(page("Messages", "Settings"), "", crumb), view, messages)},
		{"reference_service", pages.ReferenceChapter(kind(page("Service", "Settings"), "", crumb), view, view.Groups[1])},
		{"reference_nylas", pages.ReferenceNylas(kind(page("Coming from Nylas", "Settings"), "", crumb), view)},
	}
}
