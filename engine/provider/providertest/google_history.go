package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// googleOldest is the first history id that the fake remembers; older ones are gone, as at Gmail after about a week.
const googleOldest = 1000

// googleChange is one entry of a mailbox's history.
type googleChange struct {
	id     int
	kind   string // messagesAdded, messagesDeleted, labelsAdded, labelsRemoved
	labels []string
	entry  map[string]any
}

func (b *googleBox) historyID() int { return googleOldest + len(b.changes) }

func (b *googleBox) note(kind string, m *googleMessage, labels []string) {
	if strings.HasPrefix(kind, "labels") && len(labels) == 0 {
		return
	}
	m.history = b.historyID() + 1
	short := map[string]any{"id": m.id, "threadId": m.thread, "labelIds": slices.Clone(m.labels)}
	entry := map[string]any{"message": short}
	if len(labels) > 0 {
		entry["labelIds"] = labels
	}
	b.changes = append(b.changes, googleChange{m.history, kind, slices.Clone(m.labels), map[string]any{"id": fmt.Sprint(m.history), "messages": []any{short}, kind: []any{entry}}})
}

// history is users.history.list: what changed since startHistoryId, oldest first; 404 for an id that is too old.
func (e *googleExchange) history() {
	since, err := strconv.Atoi(e.q.Get("startHistoryId"))
	most, err2 := 100, error(nil)
	if e.q.Has("maxResults") {
		most, err2 = strconv.Atoi(e.q.Get("maxResults"))
	}
	from := 0
	if t := e.q.Get("pageToken"); t != "" && err2 == nil {
		from, err2 = strconv.Atoi(t)
	}
	switch {
	case err != nil || err2 != nil || most < 1:
		googleRefuse(e.w, http.StatusBadRequest, "invalidArgument", "Invalid value")
		return
	case since < googleOldest || since <= e.box.forgotten:
		googleRefuse(e.w, http.StatusNotFound, "notFound", "Requested entity was not found.")
		return
	}
	kinds := map[string]string{"messageAdded": "messagesAdded", "messageDeleted": "messagesDeleted", "labelAdded": "labelsAdded", "labelRemoved": "labelsRemoved"}
	var wanted []string
	for _, k := range e.q["historyTypes"] {
		wanted = append(wanted, kinds[k])
	}
	out := map[string]any{"historyId": fmt.Sprint(e.box.historyID())}
	var all []any
	for _, c := range e.box.changes {
		if c.id <= max(since, from) || len(wanted) > 0 && !slices.Contains(wanted, c.kind) || e.q.Get("labelId") != "" && !slices.Contains(c.labels, e.q.Get("labelId")) {
			continue
		}
		if len(all) == min(most, 500) {
			out["nextPageToken"] = fmt.Sprint(from)
			break
		}
		all, from = append(all, c.entry), c.id
	}
	if all != nil {
		out["history"] = all
	}
	googleReply(e.w, 200, out)
}

// googleTopic is the form of a Pub/Sub topic's name.
var googleTopic = regexp.MustCompile(`^projects/[a-z][a-z0-9.:-]{4,60}/topics/[A-Za-z][A-Za-z0-9._~+%-]{2,254}$`)

// watch is users.watch: Google publishes changes to the topic for seven days.
func (e *googleExchange) watch() {
	var in struct{ TopicName string }
	if json.Unmarshal(e.body, &in) != nil || !googleTopic.MatchString(in.TopicName) {
		googleRefuse(e.w, http.StatusBadRequest, "invalidArgument", "Invalid topicName does not match projects/{project}/topics/{topic}")
		return
	}
	googleReply(e.w, 200, map[string]any{"historyId": fmt.Sprint(e.box.historyID()), "expiration": fmt.Sprint(e.g.now().Add(7 * 24 * time.Hour).UnixMilli())})
}

// ForgetHistory makes all history ids of before too old, as a week does.
func (g *GoogleServer) ForgetHistory(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, u := range g.users {
		if u.Address == address {
			u.box.forgotten = u.box.historyID()
			u.box.changes = append(u.box.changes, googleChange{id: u.box.historyID() + 1, kind: "none", entry: map[string]any{"id": fmt.Sprint(u.box.historyID() + 1)}})
		}
	}
}

// googleFields is every field of a message that can be selected.
var googleFields = regexp.MustCompile(`^(id|threadId|labelIds|snippet|historyId|internalDate|sizeEstimate|raw|payload|partId|mimeType|filename|headers|body|parts|name|value|size|data|attachmentId|messages|message|\*)$`)

// googlePartial keeps the selected fields: "a,b(c,d),e/f". bad names a selection that is no field.
func googlePartial(v any, fields string) (out any, bad string) {
	if fields == "" {
		return v, ""
	}
	if list, ok := v.([]map[string]any); ok {
		var all []any
		for _, x := range list {
			one, wrong := googlePartial(x, fields)
			if all, bad = append(all, one), bad+wrong; bad != "" {
				return nil, bad
			}
		}
		return all, ""
	}
	whole, _ := v.(map[string]any)
	part := map[string]any{}
	for fields != "" {
		end, depth := len(fields), 0
		for i, r := range fields {
			if r == '(' {
				depth++
			} else if r == ')' {
				depth--
			} else if r == ',' && depth == 0 {
				end = i
				break
			}
		}
		one := fields[:end]
		fields = strings.TrimPrefix(fields[end:], ",")
		name, inner := one, ""
		if i := strings.IndexAny(one, "(/"); i > 0 {
			name, inner = one[:i], strings.TrimSuffix(one[i+1:], ")")
			if one[i] == '/' {
				inner = one[i+1:]
			}
		}
		if !googleFields.MatchString(name) || depth != 0 {
			return nil, name
		}
		got, ok := whole[name]
		if !ok {
			continue
		}
		if part[name], bad = googlePartial(got, inner); bad != "" {
			return nil, bad
		}
	}
	return part, ""
}
