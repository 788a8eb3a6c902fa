package ews

import "encoding/xml"

// The requests, their parts in the order of Microsoft's schema (messages.xsd, types.xsd): the server refuses any other.

type findItem struct {
	XMLName   xml.Name   `xml:"m:FindItem"`
	Traversal string     `xml:"Traversal,attr"`
	Shape     shape      `xml:"m:ItemShape"`
	View      pageView   `xml:"m:IndexedPageItemView"`
	Where     *where     `xml:"m:Restriction"`
	Order     *sortOrder `xml:"m:SortOrder"`
	Parents   folderIDs  `xml:"m:ParentFolderIds"`
	Query     string     `xml:"m:QueryString,omitempty"`
}

type getItem struct {
	XMLName xml.Name `xml:"m:GetItem"`
	Shape   shape    `xml:"m:ItemShape"`
	IDs     []itemID `xml:"m:ItemIds>t:ItemId"`
}

type findFolder struct {
	XMLName   xml.Name  `xml:"m:FindFolder"`
	Traversal string    `xml:"Traversal,attr"`
	Shape     shape     `xml:"m:FolderShape"`
	View      pageView  `xml:"m:IndexedPageFolderView"`
	Where     *where    `xml:"m:Restriction"`
	Parents   folderIDs `xml:"m:ParentFolderIds"`
}

type getFolder struct {
	XMLName xml.Name  `xml:"m:GetFolder"`
	Shape   shape     `xml:"m:FolderShape"`
	IDs     folderIDs `xml:"m:FolderIds"`
}

type updateItem struct {
	XMLName  xml.Name `xml:"m:UpdateItem"`
	Conflict string   `xml:"ConflictResolution,attr"`
	Deliver  string   `xml:"MessageDisposition,attr"`
	Quiet    bool     `xml:"SuppressReadReceipts,attr"`
	Changes  []change `xml:"m:ItemChanges>t:ItemChange"`
}

type change struct {
	ID      itemID  `xml:"t:ItemId"`
	Updates updates `xml:"t:Updates"`
}

type updates struct{ All []fieldUpdate }

// fieldUpdate is SetItemField, or DeleteItemField without a message.
type fieldUpdate struct {
	XMLName xml.Name
	Field   fieldURI  `xml:"t:FieldURI"`
	Message *outgoing `xml:"t:Message"`
}

func setOf(uri string, o outgoing) fieldUpdate {
	return fieldUpdate{XMLName: name("SetItemField"), Field: fieldURI{uri}, Message: &o}
}

func deleteOf(uri string) fieldUpdate {
	return fieldUpdate{XMLName: name("DeleteItemField"), Field: fieldURI{uri}}
}

type moveItem struct {
	XMLName xml.Name  `xml:"m:MoveItem"`
	To      folderIDs `xml:"m:ToFolderId"`
	IDs     []itemID  `xml:"m:ItemIds>t:ItemId"`
	NewIDs  bool      `xml:"m:ReturnNewItemIds"`
}

type deleteItem struct {
	XMLName xml.Name `xml:"m:DeleteItem"`
	How     string   `xml:"DeleteType,attr"`
	// Meetings and tasks demand a word on them; for mail it says nothing.
	Cancel string   `xml:"SendMeetingCancellations,attr"`
	Tasks  string   `xml:"AffectedTaskOccurrences,attr"`
	IDs    []itemID `xml:"m:ItemIds>t:ItemId"`
}

type createItem struct {
	XMLName xml.Name   `xml:"m:CreateItem"`
	Deliver string     `xml:"MessageDisposition,attr"`
	Saved   folderIDs  `xml:"m:SavedItemFolderId"`
	Items   []outgoing `xml:"m:Items>t:Message"`
}

// outgoing is a message as we write it, whole or in part.
type outgoing struct {
	Mime    *mimeContent `xml:"t:MimeContent"`
	Subject *string      `xml:"t:Subject"`
	Body    *bodyText    `xml:"t:Body"`
	Flag    *flag        `xml:"t:Flag"`
	To      *people      `xml:"t:ToRecipients"`
	Cc      *people      `xml:"t:CcRecipients"`
	Bcc     *people      `xml:"t:BccRecipients"`
	From    *people      `xml:"t:From"`
	Read    *bool        `xml:"t:IsRead"`
	ReplyTo *people      `xml:"t:ReplyTo"`
}

type bodyText struct {
	Type string `xml:"BodyType,attr"` // HTML or Text
	Text string `xml:",chardata"`
}

type mimeContent struct {
	Charset string `xml:"CharacterSet,attr"`
	Base64  string `xml:",chardata"`
}

type flag struct {
	Status string `xml:"t:FlagStatus"`
}

type people struct {
	All []person `xml:"t:Mailbox"`
}

type person struct {
	Name  string `xml:"t:Name,omitempty"`
	Email string `xml:"t:EmailAddress"`
}

type sendItem struct {
	XMLName xml.Name  `xml:"m:SendItem"`
	Save    bool      `xml:"SaveItemToFolder,attr"`
	IDs     []itemID  `xml:"m:ItemIds>t:ItemId"`
	Saved   folderIDs `xml:"m:SavedItemFolderId"`
}

type createAttachment struct {
	XMLName xml.Name         `xml:"m:CreateAttachment"`
	Parent  itemID           `xml:"m:ParentItemId"`
	Files   []fileAttachment `xml:"m:Attachments>t:FileAttachment"`
}

type fileAttachment struct {
	Name        string `xml:"t:Name"`
	ContentType string `xml:"t:ContentType"`
	ContentID   string `xml:"t:ContentId,omitempty"`
	Inline      bool   `xml:"t:IsInline"`
	Content     string `xml:"t:Content"` // base64
}

type deleteAttachment struct {
	XMLName xml.Name       `xml:"m:DeleteAttachment"`
	IDs     []attachmentID `xml:"m:AttachmentIds>t:AttachmentId"`
}

type attachmentID struct {
	ID string `xml:"Id,attr"`
}

type createFolder struct {
	XMLName xml.Name     `xml:"m:CreateFolder"`
	Parent  folderIDs    `xml:"m:ParentFolderId"`
	Folders []folderBody `xml:"m:Folders>t:Folder"`
}

type folderBody struct {
	Class string `xml:"t:FolderClass,omitempty"`
	Name  string `xml:"t:DisplayName"`
}

type updateFolder struct {
	XMLName xml.Name       `xml:"m:UpdateFolder"`
	Changes []folderChange `xml:"m:FolderChanges>t:FolderChange"`
}

type folderChange struct {
	ID      itemID      `xml:"t:FolderId"`
	Updates []setFolder `xml:"t:Updates>t:SetFolderField"`
}

type setFolder struct {
	Field  fieldURI   `xml:"t:FieldURI"`
	Folder folderBody `xml:"t:Folder"`
}

type moveFolder struct {
	XMLName xml.Name  `xml:"m:MoveFolder"`
	To      folderIDs `xml:"m:ToFolderId"`
	IDs     []itemID  `xml:"m:FolderIds>t:FolderId"`
}

type deleteFolder struct {
	XMLName xml.Name `xml:"m:DeleteFolder"`
	How     string   `xml:"DeleteType,attr"`
	IDs     []itemID `xml:"m:FolderIds>t:FolderId"`
}

type shape struct {
	Base    string  `xml:"t:BaseShape"`
	Mime    *bool   `xml:"t:IncludeMimeContent"`
	Further *fields `xml:"t:AdditionalProperties"`
}

type fields struct {
	URIs     []fieldURI    `xml:"t:FieldURI"`
	Extended []extendedURI `xml:"t:ExtendedFieldURI"`
}

type fieldURI struct {
	Name string `xml:"FieldURI,attr"`
}

type extendedURI struct {
	Tag  string `xml:"PropertyTag,attr"`
	Type string `xml:"PropertyType,attr"`
}

type pageView struct {
	Most   int    `xml:"MaxEntriesReturned,attr"`
	Offset int    `xml:"Offset,attr"`
	Base   string `xml:"BasePoint,attr"`
}

type sortOrder struct {
	Order []fieldOrder `xml:"t:FieldOrder"`
}

type fieldOrder struct {
	Direction string   `xml:"Order,attr"`
	Field     fieldURI `xml:"t:FieldURI"`
}

type folderIDs struct {
	Named []distinguished `xml:"t:DistinguishedFolderId"`
	IDs   []itemID        `xml:"t:FolderId"`
}

type distinguished struct {
	ID string `xml:"Id,attr"`
}

type itemID struct {
	ID  string `xml:"Id,attr"`
	Key string `xml:"ChangeKey,attr,omitempty"`
}

// where is one search expression; several stand in an And.
type where struct {
	Expression condition
}

// condition is And, Or, Not (with Inner), a comparison (with Against) or Contains (with Constant).
type condition struct {
	XMLName    xml.Name
	Mode       string       `xml:"ContainmentMode,attr,omitempty"`
	Comparison string       `xml:"ContainmentComparison,attr,omitempty"`
	Field      *fieldURI    `xml:"t:FieldURI"`
	Extended   *extendedURI `xml:"t:ExtendedFieldURI"`
	Constant   *constant    `xml:"t:Constant"`
	Against    *against     `xml:"t:FieldURIOrConstant"`
	Inner      []condition
}

type against struct {
	Constant constant `xml:"t:Constant"`
}

type constant struct {
	Value string `xml:"Value,attr"`
}

func shapeOf(names ...string) shape {
	s := shape{Base: "IdOnly", Further: &fields{}}
	for _, n := range names {
		s.Further.URIs = append(s.Further.URIs, fieldURI{n})
	}
	return s
}
