package providertest

import (
	"slices"
	"strconv"
	"strings"
)

func (f *xFolder) xml(b *xBox, props []string) string {
	has := func(p string) bool { return slices.Contains(props, p) }
	out := `<t:Folder><t:FolderId Id="` + f.id + `" ChangeKey="AQAAAA=="/>`
	if has("folder:ParentFolderId") && f.parent != nil {
		out += `<t:ParentFolderId Id="` + f.parent.id + `" ChangeKey="AQAAAA=="/>`
	}
	if has("folder:FolderClass") && f.class != "" {
		out += "<t:FolderClass>" + f.class + "</t:FolderClass>"
	}
	if has("folder:DisplayName") {
		out += "<t:DisplayName>" + esc(f.name) + "</t:DisplayName>"
	}
	total, unread, kids := 0, 0, 0
	for _, it := range b.items {
		if it.folder == f {
			total++
			if !it.read {
				unread++
			}
		}
	}
	for _, o := range b.folders {
		if o.parent == f {
			kids++
		}
	}
	if has("folder:TotalCount") {
		out += "<t:TotalCount>" + strconv.Itoa(total) + "</t:TotalCount>"
	}
	if has("folder:ChildFolderCount") {
		out += "<t:ChildFolderCount>" + strconv.Itoa(kids) + "</t:ChildFolderCount>"
	}
	if has("folder:UnreadCount") {
		out += "<t:UnreadCount>" + strconv.Itoa(unread) + "</t:UnreadCount>"
	}
	return out + "</t:Folder>"
}

func (c *xCall) getFolder() []string {
	var out []string
	for _, n := range c.op.path("m:FolderIds").kids {
		f, code := c.box.folder(n)
		if code != "" {
			out = append(out, refusal("GetFolder", code))
			continue
		}
		out = append(out, success("GetFolder", "<m:Folders>"+f.xml(c.box, asked(c.op.path("m:FolderShape")))+"</m:Folders>"))
	}
	return out
}

func (c *xCall) findFolder() []string {
	const name = "FindFolder"
	at, code := c.box.folder(c.op.path("m:ParentFolderIds").kids[0])
	if code != "" {
		return []string{refusal(name, code)}
	}
	var found []*xFolder
	where := c.op.path("m:Restriction")
	for _, f := range c.box.folders {
		if c.op.attr["Traversal"] == "Shallow" && f.parent != at {
			continue
		}
		if where != nil {
			want := where.path("t:IsEqualTo", "t:FieldURIOrConstant", "t:Constant")
			if want == nil || where.path("t:IsEqualTo", "t:FieldURI").attr["FieldURI"] != "folder:DisplayName" {
				return []string{refusal(name, "ErrorUnsupportedPathForQuery")}
			}
			if f.name != want.attr["Value"] {
				continue
			}
		}
		found = append(found, f)
	}
	window, next, last := page(len(found), c.op.path("m:IndexedPageFolderView"))
	var b strings.Builder
	b.WriteString(`<m:RootFolder IndexedPagingOffset="` + strconv.Itoa(next) + `" TotalItemsInView="` + strconv.Itoa(len(found)) + `" IncludesLastItemInRange="` + strconv.FormatBool(last) + `"><t:Folders>`)
	for _, f := range found[window[0]:window[1]] {
		b.WriteString(f.xml(c.box, asked(c.op.path("m:FolderShape"))))
	}
	b.WriteString(`</t:Folders></m:RootFolder>`)
	return []string{success(name, b.String())}
}
