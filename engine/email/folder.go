package email

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/fault"
)

// Attribute is the use a folder has, in the words of RFC 6154.
type Attribute string

// The attributes that mean something here.
const (
	Inbox   Attribute = `\Inbox`
	Sent    Attribute = `\Sent`
	Drafts  Attribute = `\Drafts`
	Trash   Attribute = `\Trash`
	Junk    Attribute = `\Junk`
	Archive Attribute = `\Archive`
	All     Attribute = `\All`
	Flagged Attribute = `\Flagged`
)

// Folder is one mailbox folder or label.
type Folder struct {
	ID         string // opaque, url-safe, without a slash
	Name       string // what a person calls it, decoded
	ParentID   string // empty at the top
	Attributes []Attribute
	System     bool // made by the provider: cannot be renamed or deleted
	Total      int  // messages
	Unread     int
	Children   int    // folders directly below
	TextColor  string // "#rrggbb" where the provider colours its folders; else empty
	BackColor  string // as TextColor
}

// NewFolder is a folder to be made. Providers without colours leave them out.
type NewFolder struct {
	Name      string
	ParentID  string // empty: at the top
	TextColor string
	BackColor string
}

// FolderChange is what may be altered in a folder. A nil field stays as it is.
type FolderChange struct {
	Name      *string
	ParentID  *string // empty: to the top
	TextColor *string
	BackColor *string
}

// longestFolder is in characters; see the wire contract, section 7.7.
const longestFolder = 1024

// Check answers fault.Invalid for a folder that cannot be made anywhere.
func (f NewFolder) Check() error {
	if strings.TrimSpace(f.Name) == "" || utf8.RuneCountInString(f.Name) > longestFolder || !utf8.ValidString(f.Name) || strings.ContainsFunc(f.Name, unicode.IsControl) {
		return fault.New(fault.Invalid, "folder_name_invalid", "The name of a folder is 1 to %d characters on one line.", longestFolder).At("name")
	}
	return nil
}

// Check answers fault.Invalid for a change that cannot be made anywhere.
func (c FolderChange) Check() error {
	if c.Name == nil {
		return nil
	}
	return NewFolder{Name: *c.Name}.Check()
}

// Has says whether the folder has the use a.
func (f Folder) Has(a Attribute) bool {
	for _, x := range f.Attributes {
		if x == a {
			return true
		}
	}
	return false
}
