package portal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/views/pages"
)

// groupsOfReference is how the reference is divided, in the order of its pages: the first whose beginning fits takes an operation.
var groupsOfReference = []struct {
	id, title, lede string
	begins          []string
}{
	{"consent", "Consent and tokens", "How a mailbox comes to be connected, and how a program gets, checks and ends its tokens.", []string{"/v3/connect/", "/v3/providers/"}},
	{"sending", "Sending", "Now, or at a later time; as JSON, as a form with files, or as a complete message.", []string{"/v3/grants/{grant}/messages/send", "/v3/grants/{grant}/messages/schedules"}},
	{"attachments", "Attachments", "What is known of a file, and its bytes. Both forms of the path are served.", []string{"/v3/grants/{grant}/attachments", "/v3/grants/{grant}/messages/{message}/attachments", "/v3/grants/{grant}/attachment-uploads"}},
	{"messages", "Messages", "List, read, mark, move, delete and clean. Nothing of it is kept here: every answer comes from the mailbox itself.", []string{"/v3/grants/{grant}/messages"}},
	{"threads", "Threads", "Conversations, also of mailboxes whose provider has none.", []string{"/v3/grants/{grant}/threads"}},
	{"drafts", "Drafts", "Messages that are not ready to leave, among the provider's own drafts.", []string{"/v3/grants/{grant}/drafts"}},
	{"folders", "Folders", "Folders and labels, flat.", []string{"/v3/grants/{grant}/folders"}},
	{"grants", "Grants", "The mailboxes that are connected: what each allows, and how each is ended.", []string{"/v3/grants"}},
	{"webhooks", "Webhooks", "Where events are sent, signed; how their secrets are rotated; what receivers found.", []string{"/v3/webhooks"}},
	{"applications", "Application", "Your program and its callback addresses.", []string{"/v3/applications"}},
	{"connectors", "Connectors", "How each provider is reached.", []string{"/v3/connectors"}},
	{"administration", "Administration", "For service accounts.", []string{"/v3/admin"}},
	{"service", "Service", "Whether anybody is there, and this document for machines.", []string{"/v3"}},
}

// referenceOf reads an OpenAPI document. base is the address that examples show.
func referenceOf(document []byte, base string) ([]pages.RefGroup, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, fmt.Errorf("read the API's document: %w", err)
	}
	r := specReader{root: root.Content[0], base: base}
	groups := make([]pages.RefGroup, len(groupsOfReference))
	for i, g := range groupsOfReference {
		groups[i] = pages.RefGroup{ID: g.id, Title: g.title, Lede: g.lede, URL: "/reference/" + g.id}
	}
	r.each(r.at(r.root, "paths"), func(path string, item *yaml.Node) {
		r.each(item, func(method string, op *yaml.Node) {
			for i, g := range groupsOfReference {
				if slices.ContainsFunc(g.begins, func(b string) bool { return strings.HasPrefix(path, b) }) {
					groups[i].Operations = append(groups[i].Operations, r.operation(strings.ToUpper(method), path, op))
					return
				}
			}
		})
	})
	for i, g := range groups {
		if g.ID == "webhooks" {
			groups[i].Snippets = snippets()
		}
	}
	return slices.DeleteFunc(groups, func(g pages.RefGroup) bool { return len(g.Operations) == 0 }), nil
}

// specReader walks the document, and follows its references.
type specReader struct {
	root *yaml.Node
	base string
}

func (r specReader) at(n *yaml.Node, keys ...string) *yaml.Node {
	n = r.resolve(n)
	for _, key := range keys {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		var found *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				found = n.Content[i+1]
			}
		}
		n = r.resolve(found)
	}
	return n
}

func (r specReader) resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode || len(n.Content) != 2 || n.Content[0].Value != "$ref" {
		return n
	}
	return r.at(r.root, strings.Split(strings.TrimPrefix(n.Content[1].Value, "#/"), "/")...)
}

func (r specReader) text(n *yaml.Node, keys ...string) string {
	if n = r.at(n, keys...); n != nil && n.Kind == yaml.ScalarNode {
		return strings.TrimSpace(n.Value)
	}
	return ""
}

func (r specReader) each(n *yaml.Node, do func(string, *yaml.Node)) {
	if n = r.resolve(n); n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		do(n.Content[i].Value, n.Content[i+1])
	}
}

func (r specReader) list(n *yaml.Node) []*yaml.Node {
	if n = r.resolve(n); n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

func (r specReader) words(n *yaml.Node) []string {
	var out []string
	for _, item := range r.list(n) {
		out = append(out, item.Value)
	}
	return out
}

func (r specReader) operation(method, path string, op *yaml.Node) pages.RefOperation {
	id := strings.Trim(strings.NewReplacer("/v3/", "", "/", "-", "{", "", "}", "", ".", "-").Replace(path), "-")
	out := pages.RefOperation{ID: strings.ToLower(method) + "-" + id, Method: method, Path: path, Summary: r.text(op, "summary"), Description: r.text(op, "description"), Permission: r.text(op, "x-permission")}
	security := r.at(op, "security")
	out.Open = security != nil && len(security.Content) == 0
	for _, p := range r.list(r.at(op, "parameters")) {
		out.Parameters = append(out.Parameters, pages.RefField{Name: r.text(p, "name"), In: r.text(p, "in"), Type: r.kind(r.at(p, "schema")), Required: r.text(p, "required") == "true", Description: r.text(p, "description")})
	}
	r.each(r.at(op, "requestBody", "content"), func(kind string, content *yaml.Node) {
		schema := r.at(content, "schema")
		body := pages.RefBody{ContentType: kind, Fields: r.fields(schema, "", 0)}
		if out.Bodies = append(out.Bodies, body); kind == "application/json" {
			out.Request = r.json(schema)
		}
	})
	r.each(r.at(op, "responses"), func(status string, response *yaml.Node) {
		out.Answers = append(out.Answers, pages.RefAnswer{Status: status, Text: r.text(response, "description")})
		if schema := r.at(response, "content", "application/json", "schema"); schema != nil && status != "default" && out.Reply == "" {
			out.Reply, out.ReplyStatus = r.json(schema), status
		}
	})
	out.Curl = r.curl(out)
	return out
}

// kind is what a value is, in words: "text", "one of: a, b".
func (r specReader) kind(schema *yaml.Node) string {
	if words := r.words(r.at(schema, "enum")); len(words) > 1 {
		return "one of: " + strings.Join(words, ", ")
	}
	kind := r.text(schema, "type")
	name := map[string]string{"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list", "object": "object", "number": "number"}[kind]
	switch {
	case r.isPeople(schema):
		name = "list of people: email and, where it is known, name"
	case kind == "array" && r.text(schema, "items", "type") == "string":
		name = "list of texts"
	case kind == "array" && r.text(schema, "items", "type") == "object":
		name = "list of objects"
	}
	least, most := r.text(schema, "minimum"), r.text(schema, "maximum")
	if least != "" && most != "" {
		name += ", " + least + " to " + most
	}
	if otherwise := r.text(schema, "default"); otherwise != "" {
		name += ", otherwise " + otherwise
	}
	return name
}

// isPeople: a list of people has the same two fields wherever it stands.
func (r specReader) isPeople(schema *yaml.Node) bool {
	schema = r.resolve(schema)
	if schema == nil {
		return false
	}
	for i := 0; i+1 < len(schema.Content); i += 2 {
		if items := schema.Content[i+1]; schema.Content[i].Value == "items" && len(items.Content) == 2 {
			return strings.HasSuffix(items.Content[1].Value, "/Person")
		}
	}
	return false
}

// deepest is how far the fields of objects within objects are told.
const deepest = 2

func (r specReader) fields(schema *yaml.Node, before string, depth int) []pages.RefField {
	required := r.words(r.at(schema, "required"))
	var out []pages.RefField
	r.each(r.at(schema, "properties"), func(name string, property *yaml.Node) {
		out = append(out, pages.RefField{Name: before + name, Type: r.kind(property), Required: slices.Contains(required, name), Description: r.text(property, "description"), Depth: depth})
		inner := r.at(property)
		if r.text(property, "type") == "array" {
			inner = r.at(property, "items")
		}
		if depth < deepest-1 && r.at(inner, "properties") != nil && !r.isPeople(property) {
			out = append(out, r.fields(inner, before+name+".", depth+1)...)
		}
	})
	return out
}

// samples are the values that examples show, by a field's name.
var samples = map[string]string{
	"request_id": "019a7f40-1c2e-7c11-8a54-3d1f9b0c6e21", "id": "019a7f3c-52b1-7c44-9d2e-6b0f1a83c7d5", "grant_id": "019a7f3c-52b1-7c44-9d2e-6b0f1a83c7d5", "application_id": "019a7f01-77aa-7d3e-b1f0-2c5d8e9f0a11",
	"client_id": "019a7f01-77aa-7d3e-b1f0-2c5d8e9f0a11", "workspace_id": "019a7f02-08bb-7a0c-9e1d-4f6a7b8c9d01", "schedule_id": "019a7f44-9e01-7b6a-8c3d-5e7f90a1b2c3", "email": "ada@northwind.example", "name": "Ada Northwind",
	"subject": "Your order 4711", "body": "<p>It has left our house.</p>", "snippet": "It has left our house.", "thread_id": "tNzYyMDE", "message_id": "AaaDtNgGAQBTZW50", "reply_to_message_id": "AaaDtNgGAQBTZW50",
	"provider": "google", "scope": "https://www.googleapis.com/auth/gmail.readonly", "redirect_uri": "https://app.acme.example/callback", "url": "https://app.acme.example/callback", "webhook_url": "https://hooks.acme.example/postern",
	"access_token": "pat_…", "refresh_token": "prt_…", "client_secret": "an API key", "code": "4f1c…", "code_verifier": "the verifier", "id_token": "eyJ…", "filename": "invoice.pdf", "content_type": "application/pdf", "content": "JVBERi0xLjcK…",
	"next_cursor": "bmV4dA", "webhook_secret": "shown once", "conversation": "<p>It has left our house.</p>", "grant_status": "valid", "region": "eu", "environment": "production", "ip": "192.0.2.17", "user_agent": "Mozilla/5.0",
	"state": "what you gave", "folders": "INBOX", "trigger_types": "grant.expired", "description": "CRM events", "raw_mime": "RnJvbTog…", "grant_type": "authorization_code", "platform": "web", "message": "Done.", "token_type": "Bearer",
	"error": "invalid_grant", "timezone": "Europe/Berlin", "icon_url": "https://acme.example/icon.png", "parent_id": "INBOX", "content_id": "logo", "content_disposition": "attachment", "search_query_native": "from:ada", "headers.name": "Message-ID",
}

// json writes an example of a schema, indented.
func (r specReader) json(schema *yaml.Node) string {
	var b strings.Builder
	r.write(&b, schema, "", "", 0)
	return b.String()
}

func (r specReader) write(b *strings.Builder, schema *yaml.Node, name, indent string, depth int) {
	if example := r.at(schema, "example"); example != nil {
		var value any
		if example.Decode(&value) == nil {
			text, _ := json.MarshalIndent(value, indent, "  ") // of what YAML gave: it can be written
			b.Write(text)
			return
		}
	}
	switch r.text(schema, "type") {
	case "object":
		var names []string
		properties := map[string]*yaml.Node{}
		r.each(r.at(schema, "properties"), func(property string, value *yaml.Node) {
			if property == "raw_mime" || property == "conversation" || depth > 4 {
				return // these stand alone, in answers of their own
			}
			names, properties[property] = append(names, property), value
		})
		if len(names) == 0 {
			b.WriteString("{}")
			return
		}
		b.WriteString("{\n")
		for i, property := range names {
			b.WriteString(indent + "  " + quoted(property) + ": ")
			r.write(b, properties[property], property, indent+"  ", depth+1)
			if i < len(names)-1 {
				b.WriteString(",")
			}
			b.WriteString("\n")
		}
		b.WriteString(indent + "}")
	case "array":
		if name == "cc" || name == "bcc" || name == "reply_to" {
			b.WriteString("[]")
			return
		}
		b.WriteString("[")
		if items := r.at(schema, "items"); r.text(items, "type") == "object" {
			b.WriteString("\n" + indent + "  ")
			r.write(b, items, name, indent+"  ", depth+1)
			b.WriteString("\n" + indent)
		} else {
			r.write(b, items, name, indent, depth+1)
		}
		b.WriteString("]")
	case "integer", "number":
		switch {
		case strings.HasSuffix(name, "_at") || strings.HasSuffix(name, "date") || strings.HasSuffix(name, "_time") || name == "iat" || name == "exp" || strings.HasSuffix(name, "_before") || strings.HasSuffix(name, "_after"):
			b.WriteString("1796014800")
		case name == "size":
			b.WriteString("48213")
		case name == "limit":
			b.WriteString("50")
		case name == "expires_in":
			b.WriteString("3600")
		default:
			b.WriteString("0")
		}
	case "boolean":
		b.WriteString("false")
	default:
		value := samples[name]
		if words := r.words(r.at(schema, "enum")); len(words) > 0 && !slices.Contains(words, value) {
			value = words[0]
		}
		if value == "" {
			value = "…"
		}
		b.WriteString(quoted(value))
	}
}

func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text can be written
	return strings.TrimSpace(b.String())
}

// curl is the request as one would type it.
func (r specReader) curl(op pages.RefOperation) string {
	path := strings.NewReplacer("{grant}", "$GRANT", "{message}", "$MESSAGE", "{attachment}", "$ATTACHMENT", "{schedule}", "$SCHEDULE", "{webhook}", "$WEBHOOK", "{folder}", "$FOLDER", "{draft}", "$DRAFT", "{thread}", "$THREAD",
		"{provider}", "google", "{application}", "$APPLICATION", "{callback}", "$CALLBACK", "{credential}", "$CREDENTIAL", "{key}", "$KEY").Replace(op.Path)
	var query []string
	for _, p := range op.Parameters {
		if p.In == "query" && (p.Required || p.Name == "limit") {
			value := samples[p.Name]
			if p.Name == "limit" {
				value = "20"
			}
			query = append(query, p.Name+"="+strings.ReplaceAll(strings.ReplaceAll(value, ":", "%3A"), "/", "%2F"))
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	lines := []string{"curl"}
	if op.Method != "GET" {
		lines[0] += " -X " + op.Method
	}
	lines[0] += ` "` + r.base + path + `"`
	if !op.Open {
		lines = append(lines, `  -H "Authorization: Bearer $POSTERN_API_KEY"`)
	}
	if op.Request != "" {
		lines = append(lines, `  -H "Content-Type: application/json"`, "  -d @body.json")
	}
	return strings.Join(lines, " \\\n")
}
