package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	mostFolders = 5000
	deepest     = 20
)

// wellKnown are the folders that Outlook makes by itself ("mailFolder resource type", well-known folder names). Their names stand in for ids
// whatever the mailbox's language; also names of ours are taken there.
var wellKnown = []struct {
	name  string
	is    email.Attribute
	words []string
}{
	{"inbox", email.Inbox, nil},
	{"sentitems", email.Sent, []string{"sent"}},
	{"drafts", email.Drafts, nil},
	{"deleteditems", email.Trash, []string{"trash"}},
	{"junkemail", email.Junk, []string{"junk"}},
	{"archive", email.Archive, nil},
}

// wellKnownName is Microsoft's name for what a caller calls inbox, sent, trash ...; empty for all else.
func wellKnownName(id string) string {
	for _, f := range wellKnown {
		if strings.EqualFold(id, f.name) {
			return f.name
		}
		for _, w := range f.words {
			if strings.EqualFold(id, w) {
				return f.name
			}
		}
	}
	return ""
}

func folderPath(id string) (string, error) {
	if name := wellKnownName(id); name != "" {
		return "/me/mailFolders/" + name, nil
	}
	theirs, ok := theirID(id)
	if !ok {
		return "", provider.ErrFolderNotFound
	}
	return "/me/mailFolders/" + url.PathEscape(theirs), nil
}

// folder makes sure that a folder is there, and answers Microsoft's id of it.
func (k *call) folder(id string) (string, error) {
	if name := wellKnownName(id); name != "" {
		theirs, err := k.special(name)
		if err == nil && theirs == "" {
			err = provider.ErrFolderNotFound
		}
		return theirs, err
	}
	path, err := folderPath(id)
	if err != nil {
		return "", err
	}
	var f wireFolder
	err = k.json(request{method: http.MethodGet, path: path, query: params{"$select", "id"}, missing: provider.ErrFolderNotFound}, &f)
	return f.ID, err
}

// special answers the id of a well-known folder, empty when this mailbox has none. Ids of folders never change, so that one question does.
func (k *call) special(name string) (string, error) {
	k.session.mu.Lock()
	id, ok := k.session.folders[name]
	k.session.mu.Unlock()
	if ok {
		return id, nil
	}
	var f wireFolder
	err := k.json(request{method: http.MethodGet, path: "/me/mailFolders/" + name, query: params{"$select", "id"}, missing: provider.ErrFolderNotFound}, &f)
	if err != nil && !errors.Is(err, provider.ErrFolderNotFound) {
		return "", err
	}
	if f.ID != "" { // an archive may be made later: its absence is not remembered
		k.session.mu.Lock()
		k.session.folders[name] = f.ID
		k.session.mu.Unlock()
	}
	return f.ID, nil
}

type wireFolder struct {
	ID       string `json:"id"`
	Name     string `json:"displayName"`
	Parent   string `json:"parentFolderId"`
	Children int    `json:"childFolderCount"`
	Unread   int    `json:"unreadItemCount"`
	Total    int    `json:"totalItemCount"`
}

// ListFolders implements provider.FolderLister: the inbox first, then as Microsoft orders them, each folder followed by what is in it. Hidden folders are left out.
func (c *Connector) ListFolders(ctx context.Context, a provider.Account) ([]email.Folder, error) {
	var out []email.Folder
	err := c.with(ctx, a, func(k *call) error {
		uses, err := k.uses()
		if err != nil {
			return err
		}
		if out, err = k.folders("/me/mailFolders", "", uses, out, 0); err != nil {
			return err
		}
		for i, f := range out {
			if f.Has(email.Inbox) {
				copy(out[1:i+1], out[:i])
				out[0] = f
			}
		}
		return nil
	})
	return out, err
}

// uses asks which ids the well-known folders have: the list of folders itself does not say.
func (k *call) uses() (map[string]email.Attribute, error) {
	found := make([]string, len(wellKnown))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, f := range wellKnown {
		g.Go(func() (err error) {
			found[i], err = k.special(f.name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := map[string]email.Attribute{}
	for i, id := range found {
		if id != "" {
			out[id] = wellKnown[i].is
		}
	}
	return out, nil
}

func (k *call) folders(path, parent string, uses map[string]email.Attribute, out []email.Folder, depth int) ([]email.Folder, error) {
	rawQuery := ""
	for {
		var answer struct {
			Value []wireFolder `json:"value"`
			Next  string       `json:"@odata.nextLink"`
		}
		r := request{method: http.MethodGet, path: path, rawQuery: rawQuery, missing: provider.ErrFolderNotFound}
		if rawQuery == "" {
			r.query = params{"$top", "100"}
		}
		if err := k.json(r, &answer); err != nil {
			return out, err
		}
		for _, f := range answer.Value {
			if len(out) >= mostFolders {
				return out, nil
			}
			if f.ID == "" {
				continue
			}
			x := email.Folder{ID: ourID(f.ID), Name: rfc5322.OneLine(f.Name), ParentID: parent, Total: f.Total, Unread: f.Unread, Children: f.Children}
			if is, ok := uses[f.ID]; ok {
				x.Attributes, x.System = []email.Attribute{is}, true
			}
			if x.Name == "" {
				x.Name = x.ID
			}
			out = append(out, x)
			if f.Children > 0 && depth < deepest {
				var err error
				below := "/me/mailFolders/" + url.PathEscape(f.ID) + "/childFolders"
				out, err = k.folders(below, x.ID, uses, out, depth+1)
				if err != nil && !errors.Is(err, provider.ErrFolderNotFound) { // deleted meanwhile
					return out, err
				}
			}
		}
		if answer.Next == "" || len(answer.Value) == 0 {
			return out, nil
		}
		var err error
		if rawQuery, err = k.next(answer.Next); err != nil {
			return out, err
		}
	}
}

func (k *call) patch(path string, in any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return errUpstream.Because(errors.New("the request cannot be written"))
	}
	return k.json(request{method: http.MethodPatch, path: path, kind: "application/json", body: body}, nil)
}
