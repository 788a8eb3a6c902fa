package nylas

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const mostFolderPages = 25 // of 200

type wireFolder struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Parent     string   `json:"parent_id"`
	Attributes []string `json:"attributes"`
	System     bool     `json:"system_folder"`
	Total      int      `json:"total_count"`
	Unread     int      `json:"unread_count"`
	Children   int      `json:"child_count"`
}

// attributes are the uses of folders that Nylas names (contract, section 7.7), in the words of RFC 6154.
var attributes = []email.Attribute{email.Inbox, email.Sent, email.Drafts, email.Trash, email.Junk, email.Archive, email.All, email.Flagged}

func (w wireFolder) folder() email.Folder {
	f := email.Folder{ID: ourID(w.ID), Name: rfc5322.OneLine(w.Name), ParentID: ourID(w.Parent), System: w.System, Total: w.Total, Unread: w.Unread, Children: w.Children}
	if f.Name == "" {
		f.Name = rfc5322.OneLine(w.ID)
	}
	for _, a := range w.Attributes {
		for _, known := range attributes {
			if strings.EqualFold(a, string(known)) {
				f.Attributes = append(f.Attributes, known)
			}
		}
	}
	return f
}

// ListFolders implements provider.FolderLister. The inbox comes first, then the others with a use.
func (c *Connector) ListFolders(ctx context.Context, a provider.Account) ([]email.Folder, error) {
	var out []email.Folder
	err := c.with(ctx, a, func(k *call) error {
		out = nil
		cursor := ""
		for range mostFolderPages {
			params := url.Values{"limit": {strconv.Itoa(email.MaxLimit)}}
			if cursor != "" {
				params.Set("page_token", cursor)
			}
			var answer envelope[[]wireFolder]
			if err := k.ask(request{method: http.MethodGet, path: k.path("folders"), query: params}, &answer); err != nil {
				return err
			}
			for _, w := range answer.Data {
				if w.ID != "" {
					out = append(out, w.folder())
				}
			}
			if answer.Next == "" || answer.Next == cursor {
				return nil
			}
			cursor = answer.Next
		}
		return nil
	})
	slices.SortStableFunc(out, func(a, b email.Folder) int { return rank(a) - rank(b) })
	return out, err
}

func rank(f email.Folder) int {
	for i, a := range attributes {
		if f.Has(a) {
			return i
		}
	}
	return len(attributes)
}

// folders answers ErrFolderNotFound when one of the ids is surely of no folder; nil when all are there, or when it is not known.
func (k *call) folders(ids []string) error {
	for _, id := range ids {
		theirs, ok := theirID(id)
		if !ok {
			return provider.ErrFolderNotFound
		}
		err := k.ask(request{method: http.MethodGet, path: k.path("folders", theirs), missing: provider.ErrFolderNotFound}, nil)
		if errors.Is(err, provider.ErrFolderNotFound) || errors.Is(err, errRefused) {
			return provider.ErrFolderNotFound.Because(errors.Unwrap(err))
		}
	}
	return nil
}
