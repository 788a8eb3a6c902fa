package providertest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// microsoftSync is what a state token stands for ("Use delta query to track changes in Microsoft Graph data"): how a collection stood when a round was over, or what of a round
// is still to come.
type microsoftSync struct {
	account  *MicrosoftAccount
	of       string // the folder, or the list of folders
	selected []string
	stood    map[string]string // by id, what tells one state of an item from another
	rest     []any             // of a round
}

// ForgetSync makes Graph forget all state tokens, as it does when its cache is full.
func (s *MicrosoftServer) ForgetSync() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs = map[string]*microsoftSync{}
}

var maxPageSize = regexp.MustCompile(`odata\.maxpagesize=(\d+)`)

// delta answers a delta query: first everything that is there, then, by the link that the last page of a round ends with, what changed since. A query option is taken in the
// first request alone: the links carry it on.
func (k *graphCall) delta(of string, items func() map[string]string, show func(id string, selected []string) any) error {
	if k.r.Method != http.MethodGet {
		return errGraphSegment
	}
	values, err := url.ParseQuery(k.r.URL.RawQuery)
	if err != nil {
		return graphBad("BadRequest", "the query cannot be read")
	}
	size := 10
	if m := maxPageSize.FindStringSubmatch(strings.Join(k.r.Header.Values("Prefer"), ", ")); m != nil {
		if size, err = strconv.Atoi(m[1]); err != nil || size < 1 {
			return graphBad("ErrorInvalidParameter", "odata.maxpagesize")
		}
		size = min(size, 500)
	}
	round := &microsoftSync{account: k.account, of: of}
	skip, delta := values.Get("$skiptoken"), values.Get("$deltatoken")
	switch {
	case skip+delta != "" && len(values) != 1:
		return graphBad("BadRequest", "a state token stands alone")
	case skip+delta != "":
		was := k.syncs[skip+delta]
		if was == nil || was.account != k.account || was.of != of || (was.rest != nil) != (skip != "") {
			k.w.Header().Set("Location", k.http.URL+k.r.URL.EscapedPath()+"?$deltatoken=")
			return &microsoftRefusal{http.StatusGone, "SyncStateNotFound", "The sync state generation is not found; generation='1'"}
		}
		round.selected, round.stood, round.rest = was.selected, was.stood, was.rest
		if delta != "" {
			round.changes(items(), was.stood, show)
		}
	default:
		for name := range values {
			if name != "$select" {
				return graphBad("BadRequest", "The query parameter '"+name+"' is not taken here.")
			}
		}
		if round.selected, _, err = graphShape(values); err != nil {
			return err
		}
		round.changes(items(), nil, show)
	}
	out := map[string]any{"@odata.context": k.http.URL + "/v1.0/$metadata#Collection(message)", "value": round.rest[:min(size, len(round.rest))]}
	token, link, name := microsoftRandom(40), "@odata.deltaLink", "$deltatoken"
	if round.rest = round.rest[min(size, len(round.rest)):]; len(round.rest) > 0 {
		link, name = "@odata.nextLink", "$skiptoken"
	} else {
		round.rest = nil
	}
	k.syncs[token] = round
	out[link] = k.http.URL + "/v1.0/me/" + of + "?" + name + "=" + token
	return k.ok(200, out)
}

// changes is what a round tells. A message that went and came back since is told as removed and not again: ids that outlive a move hide the return
// (github.com/microsoftgraph/microsoft-graph-docs-contrib, issue 72).
func (s *microsoftSync) changes(now, before map[string]string, show func(string, []string) any) {
	s.rest, s.stood = []any{}, now
	for _, id := range slices.Sorted(maps.Keys(now)) {
		was, there := before[id]
		stay, _, _ := strings.Cut(now[id], " ")
		stayed, _, _ := strings.Cut(was, " ")
		switch {
		case there && stay != stayed:
			s.rest = append(s.rest, gone(id))
		case !there || was != now[id]:
			s.rest = append(s.rest, show(id, s.selected))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if _, there := now[id]; !there {
			s.rest = append(s.rest, gone(id))
		}
	}
}

func gone(id string) any {
	return map[string]any{"id": id, "@removed": map[string]string{"reason": "deleted"}}
}

func (k *graphCall) messageDelta(f *microsoftFolder) error {
	if !k.mayRead() {
		return errGraphAccess
	}
	immutable, byID := k.immutable(), map[string]*microsoftMessage{}
	return k.delta("mailFolders('"+f.id+"')/messages/delta", func() map[string]string {
		out := map[string]string{}
		for _, m := range k.account.messages {
			if m.folder == f {
				id := m.id(immutable)
				out[id], byID[id] = fmt.Sprint(m.moves)+" "+m.state(), m
			}
		}
		return out
	}, func(id string, selected []string) any { return byID[id].resource(selected, nil, immutable, false) })
}

func (k *graphCall) folderDelta() error {
	return k.delta("mailFolders/delta", func() map[string]string {
		out := map[string]string{}
		for _, f := range k.account.folders {
			if f.wellKnown != "recoverableitemsdeletions" {
				out[f.id] = "- " + fmt.Sprint(f.name, f.parent)
			}
		}
		return out
	}, func(id string, _ []string) any { return k.folder(k.account.byID(id)) })
}
