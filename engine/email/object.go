package email

// Objects are what programs get of mail, in a response or in an event: one shape for both (wire contract, sections 6.6 and 7.2). grant is the id of the mailbox's
// grant, which every object names.

// Object is a message as programs get it, without headers and raw text.
func (m Message) Object(grant string) map[string]any {
	out := map[string]any{"id": m.ID, "grant_id": grant, "object": "message", "thread_id": m.ThreadID, "subject": m.Subject, "body": m.Body(), "snippet": m.Snippet,
		"from": People(m.From), "to": People(m.To), "cc": People(m.Cc), "bcc": People(m.Bcc), "reply_to": People(m.ReplyTo), "unread": m.Unread, "starred": m.Starred}
	folders := m.Folders
	if folders == nil {
		folders = []string{}
	}
	out["folders"] = folders
	if !m.Date.IsZero() {
		out["date"], out["created_at"] = m.Date.Unix(), m.Date.Unix()
	}
	attachments := make([]map[string]any, len(m.Attachments))
	for i, a := range m.Attachments {
		attachments[i] = a.Object(grant)
	}
	out["attachments"] = attachments
	return out
}

// Object is what programs get of an attachment, without its bytes.
func (a Attachment) Object(grant string) map[string]any {
	out := map[string]any{"id": a.ID, "grant_id": grant, "filename": a.Filename, "content_type": a.ContentType, "size": a.Size, "is_inline": a.Inline}
	if a.ContentID != "" {
		out["content_id"] = a.ContentID
	}
	if a.Disposition != "" {
		out["content_disposition"] = a.Disposition
	}
	return out
}

// Object is what programs get of a folder.
func (f Folder) Object(grant string) map[string]any {
	attributes := make([]string, len(f.Attributes))
	for i, a := range f.Attributes {
		attributes[i] = string(a)
	}
	out := map[string]any{"id": f.ID, "grant_id": grant, "object": "folder", "name": f.Name, "child_count": f.Children, "total_count": f.Total,
		"unread_count": f.Unread, "system_folder": f.System, "attributes": attributes}
	for name, value := range map[string]string{"parent_id": f.ParentID, "text_color": f.TextColor, "background_color": f.BackColor} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

// People are addresses as programs get them.
func People(addresses []Address) []map[string]any {
	out := make([]map[string]any, len(addresses))
	for i, a := range addresses {
		out[i] = map[string]any{"email": a.Email}
		if a.Name != "" {
			out[i]["name"] = a.Name
		}
	}
	return out
}
