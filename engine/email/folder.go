package email

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
	Children   int // folders directly below
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
