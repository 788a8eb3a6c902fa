package providertest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var googleComposers = []string{googleMailScope, googleGmailScope + "modify", googleGmailScope + "compose"}

// more serves conversations, drafts and labels (users.threads, users.drafts, users.labels); false: no such method.
func (e *googleExchange) more(method string, path []string) bool {
	at := func(i int) string {
		if i < len(path) {
			return path[i]
		}
		return ""
	}
	labellers := []string{googleMailScope, googleGmailScope + "modify", googleGmailScope + "labels"}
	switch {
	case method == "GET threads" && len(path) == 2:
		e.if_(append(googleReaders, googleGmailScope+"metadata"), e.threads)
	case method == "POST messages" && len(path) == 3 && at(2) == "batchModify":
		e.if_(googleChangers, e.batchModify)
	case method == "POST labels" && len(path) == 2:
		e.if_(labellers, e.makeLabel)
	case (method == "PATCH labels" || method == "DELETE labels") && len(path) == 3:
		e.if_(labellers, func() { e.changeLabel(at(2), strings.HasPrefix(method, "DELETE")) })
	case method == "GET drafts" && len(path) == 2:
		e.if_(append(googleComposers, googleReaders...), e.drafts)
	case method == "POST drafts" && len(path) == 2:
		e.if_(googleComposers, func() { e.writeDraft(nil) })
	case method == "POST drafts" && len(path) == 3 && at(2) == "send":
		e.if_(googleComposers, e.sendDraft)
	case method == "GET drafts" && len(path) == 3:
		e.if_(append(googleComposers, googleReaders...), func() { e.draft(at(2), e.showDraft) })
	case method == "PUT drafts" && len(path) == 3:
		e.if_(googleComposers, func() { e.draft(at(2), e.writeDraft) })
	case method == "DELETE drafts" && len(path) == 3:
		e.if_(googleComposers, func() {
			e.draft(at(2), func(m *googleMessage) { delete(e.box.messages, m.id); e.w.WriteHeader(http.StatusNoContent) })
		})
	default:
		return false
	}
	return true
}

// threads answers ids only, by the newest message. A conversation is listed when one of its messages fits the search and its messages together have the labels.
func (e *googleExchange) threads() {
	most, err := strconv.Atoi(e.q.Get("maxResults"))
	if !e.q.Has("maxResults") {
		most, err = 100, nil
	}
	if err != nil || most < 1 {
		googleRefuse(e.w, 400, "invalidArgument", "Invalid maxResults")
		return
	}
	for _, l := range e.q["labelIds"] {
		if e.box.byID(l) == nil {
			googleRefuse(e.w, 400, "invalidArgument", "Invalid label: "+l)
			return
		}
	}
	query := fmt.Sprint("threads", e.key.user.Sub, e.q.Get("q"), e.q["labelIds"], e.q.Get("includeSpamTrash"))
	found := map[string]bool{}
	for _, m := range e.box.find(e.q.Get("q"), nil, e.q.Get("includeSpamTrash") == "true") {
		found[m.thread] = true
	}
	labels := map[string][]string{}
	for _, m := range e.box.messages {
		labels[m.thread] = append(labels[m.thread], m.labels...)
	}
	var all []string
	seen := map[string]bool{}
	for _, m := range e.box.find("", nil, true) { // newest first
		if !seen[m.thread] && found[m.thread] && !slices.ContainsFunc(e.q["labelIds"], func(l string) bool { return !slices.Contains(labels[m.thread], l) }) {
			all = append(all, m.thread)
		}
		seen[m.thread] = true
	}
	if token := e.q.Get("pageToken"); token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		last, of, _ := strings.Cut(string(raw), " ")
		i := slices.Index(all, last)
		if err != nil || of != query || i < 0 {
			googleRefuse(e.w, 400, "invalidArgument", "Invalid pageToken")
			return
		}
		all = all[i+1:]
	}
	out := map[string]any{"resultSizeEstimate": len(all)}
	if most = min(most, 500); len(all) > most {
		all = all[:most]
		out["nextPageToken"] = base64.RawURLEncoding.EncodeToString([]byte(all[most-1] + " " + query))
	}
	if len(all) > 0 {
		var list []map[string]string
		for _, id := range all {
			list = append(list, map[string]string{"id": id, "snippet": "", "historyId": "1"})
		}
		out["threads"] = list
	}
	googleReply(e.w, 200, out)
}

func (e *googleExchange) batchModify() {
	var in struct{ IDs, AddLabelIDs, RemoveLabelIDs []string }
	if json.Unmarshal(e.body, &in) != nil || len(in.IDs) == 0 || len(in.IDs) > 1000 || len(in.AddLabelIDs)+len(in.RemoveLabelIDs) == 0 {
		googleRefuse(e.w, 400, "invalidArgument", "Invalid batch")
		return
	}
	for _, l := range slices.Concat(in.AddLabelIDs, in.RemoveLabelIDs) {
		if e.box.byID(l) == nil || l == "SENT" || l == "DRAFT" || l == "CHAT" {
			googleRefuse(e.w, 400, "invalidArgument", "Invalid label: "+l)
			return
		}
	}
	for _, id := range in.IDs {
		if m := e.box.messages[id]; m != nil {
			m.labels = slices.DeleteFunc(slices.Clone(m.labels), func(l string) bool { return slices.Contains(in.RemoveLabelIDs, l) })
			for _, l := range in.AddLabelIDs {
				if !m.has(l) {
					m.labels = append(m.labels, l)
				}
			}
		}
	}
	e.w.WriteHeader(http.StatusNoContent)
}

var googleColour = regexp.MustCompile(`^#[0-9a-f]{6}$`)

type googleLabelBody struct {
	Name  string
	Color *struct{ TextColor, BackgroundColor string }
}

// labelBody reads and checks a label; own is the one that is changed.
func (e *googleExchange) labelBody(own *googleLabel) (googleLabelBody, bool) {
	var in googleLabelBody
	err := json.Unmarshal(e.body, &in)
	switch {
	case err != nil || in.Name == "" && own == nil || len([]rune(in.Name)) > 225:
		googleRefuse(e.w, 400, "invalidArgument", "Invalid label name")
	case in.Color != nil && (!googleColour.MatchString(in.Color.TextColor) || !googleColour.MatchString(in.Color.BackgroundColor)):
		googleRefuse(e.w, 400, "invalidArgument", "Invalid label color")
	case slices.ContainsFunc(e.box.labels, func(l *googleLabel) bool { return l != own && strings.EqualFold(l.Name, in.Name) }):
		googleRefuse(e.w, 409, "aborted", "Label name exists or conflicts")
	default:
		return in, true
	}
	return in, false
}

func (e *googleExchange) makeLabel() {
	if in, ok := e.labelBody(nil); ok {
		e.box.next++
		l := &googleLabel{fmt.Sprintf("Label_%d", 1000+e.box.next), in.Name, "user"}
		e.box.labels = append(e.box.labels, l)
		googleReply(e.w, 200, l)
	}
}

func (e *googleExchange) changeLabel(id string, remove bool) {
	l := e.box.byID(id)
	switch {
	case l == nil:
		googleRefuse(e.w, 404, "notFound", "Requested entity was not found.")
	case l.Type == "system":
		googleRefuse(e.w, 400, "invalidArgument", "Invalid update request")
	case remove:
		e.box.labels = slices.DeleteFunc(e.box.labels, func(x *googleLabel) bool { return x == l })
		for _, m := range e.box.messages {
			m.labels = slices.DeleteFunc(slices.Clone(m.labels), func(x string) bool { return x == id })
		}
		e.w.WriteHeader(http.StatusNoContent)
	default:
		if in, ok := e.labelBody(l); ok {
			if in.Name != "" {
				l.Name = in.Name
			}
			googleReply(e.w, 200, l)
		}
	}
}

var googleDraftID = regexp.MustCompile(`^r-?[0-9]+$`)

func (e *googleExchange) draft(id string, do func(*googleMessage)) {
	if !googleDraftID.MatchString(id) {
		googleRefuse(e.w, 400, "invalidArgument", "Invalid draft id")
		return
	}
	for _, m := range e.box.messages {
		if m.draft == id {
			do(m)
			return
		}
	}
	googleRefuse(e.w, 404, "notFound", "Requested entity was not found.")
}

func (e *googleExchange) drafts() {
	most, err := strconv.Atoi(e.q.Get("maxResults"))
	if !e.q.Has("maxResults") {
		most, err = 100, nil
	}
	if err != nil || most < 1 {
		googleRefuse(e.w, 400, "invalidArgument", "Invalid maxResults")
		return
	}
	all := e.box.find(e.q.Get("q"), []string{"DRAFT"}, e.q.Get("includeSpamTrash") == "true")
	if token := e.q.Get("pageToken"); token != "" {
		i := slices.IndexFunc(all, func(m *googleMessage) bool { return "after-"+m.draft == token })
		if i < 0 {
			googleRefuse(e.w, 400, "invalidArgument", "Invalid pageToken")
			return
		}
		all = all[i+1:]
	}
	out := map[string]any{"resultSizeEstimate": len(all)}
	if most = min(most, 500); len(all) > most {
		all = all[:most]
		out["nextPageToken"] = "after-" + all[most-1].draft
	}
	var list []map[string]any
	for _, m := range all {
		list = append(list, map[string]any{"id": m.draft, "message": map[string]any{"id": m.id, "threadId": m.thread}})
	}
	if list != nil {
		out["drafts"] = list
	}
	googleReply(e.w, 200, out)
}

func (e *googleExchange) showDraft(m *googleMessage) {
	format := e.q.Get("format")
	if format == "" {
		format = "full"
	}
	out, bad := googlePartial(map[string]any{"id": m.draft, "message": m.json(format, nil)}, e.q.Get("fields"))
	if bad != "" {
		googleRefuse(e.w, 400, "invalidParameter", "Invalid field selection "+bad)
		return
	}
	googleReply(e.w, 200, out)
}

// writeDraft makes a draft, or puts another message in the place of old: the draft keeps its id, the message within it gets a new one.
func (e *googleExchange) writeDraft(old *googleMessage) {
	var in struct {
		Message struct{ Raw, ThreadID string }
	}
	raw, err := []byte(nil), error(nil)
	if strings.HasPrefix(e.r.URL.Path, "/upload/") {
		var meta []byte
		if meta, raw, err = e.uploaded(); err == nil {
			err = json.Unmarshal(meta, &in)
		}
	} else if err = json.Unmarshal(e.body, &in); err == nil {
		raw, err = base64.URLEncoding.DecodeString(in.Message.Raw)
	}
	if err != nil || len(raw) == 0 {
		googleRefuse(e.w, 400, "invalidArgument", "Missing draft message")
		return
	}
	thread := in.Message.ThreadID
	if thread != "" && !slices.ContainsFunc(googleMessages(e.box.messages), func(x *googleMessage) bool { return x.thread == thread }) {
		googleRefuse(e.w, 404, "notFound", "Requested entity was not found.")
		return
	}
	if old != nil {
		delete(e.box.messages, old.id)
	}
	m := e.box.put(raw, e.g.now(), []string{"DRAFT"}, thread)
	if m.draft = fmt.Sprintf("r-%d", 7_000_000+m.seq); old != nil {
		m.draft = old.draft
	}
	googleReply(e.w, 200, map[string]any{"id": m.draft, "message": map[string]any{"id": m.id, "threadId": m.thread, "labelIds": m.labels}})
}

func (e *googleExchange) sendDraft() {
	var in struct{ ID string }
	if json.Unmarshal(e.body, &in) != nil || in.ID == "" {
		googleRefuse(e.w, 400, "invalidArgument", "Missing draft id")
		return
	}
	e.draft(in.ID, func(m *googleMessage) {
		var to []*mail.Address
		for _, f := range []string{"To", "Cc", "Bcc"} {
			if list, err := mail.ParseAddressList(m.field(f)); err == nil {
				to = append(to, list...)
			}
		}
		if len(to) == 0 {
			googleRefuse(e.w, 400, "invalidArgument", "Recipient address required")
			return
		}
		delete(e.box.messages, m.id)
		kept := e.box.put(m.raw, e.g.now(), []string{"SENT"}, m.thread)
		for _, a := range to {
			if u := e.g.users[a.Address]; u != nil {
				u.box.put(googleWithoutBcc(m.raw), e.g.now(), []string{"UNREAD", "INBOX"}, "")
			}
		}
		googleReply(e.w, 200, map[string]any{"id": kept.id, "threadId": kept.thread, "labelIds": kept.labels})
	})
}
