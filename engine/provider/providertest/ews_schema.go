package providertest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// xNode is an element of a request.
type xNode struct {
	name string // with m:, t:, s: or a: by its namespace
	attr map[string]string
	text string
	kids []*xNode
}

var xSpaces = map[string]string{
	"http://schemas.microsoft.com/exchange/services/2006/messages":                  "m:",
	"http://schemas.microsoft.com/exchange/services/2006/types":                     "t:",
	"http://schemas.xmlsoap.org/soap/envelope/":                                     "s:",
	"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006": "a:",
}

func readTree(body []byte) (*xNode, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	top := &xNode{}
	stack := []*xNode{top}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		at := stack[len(stack)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			space, ok := xSpaces[tok.Name.Space]
			if !ok {
				return nil, fmt.Errorf("namespace of %s", tok.Name.Local)
			}
			n := &xNode{name: space + tok.Name.Local, attr: map[string]string{}}
			for _, a := range tok.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					n.attr[a.Name.Local] = a.Value
				}
			}
			at.kids = append(at.kids, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			at.text += string(tok)
		case xml.Directive:
			return nil, errors.New("a document type")
		}
	}
	if len(top.kids) != 1 {
		return nil, errors.New("not one root")
	}
	return top.kids[0], nil
}

func (n *xNode) path(names ...string) *xNode {
	for _, name := range names {
		i := slices.IndexFunc(n.kids, func(k *xNode) bool { return k.name == name })
		if i < 0 {
			return nil
		}
		n = n.kids[i]
	}
	return n
}

// xRule is an element of the schema: attributes ("!" = needed), children in order ("*" = any number, "!" = needed).
type xRule struct {
	attrs, kids string
}

const (
	xShapeKids     = "t:BaseShape! t:IncludeMimeContent t:BodyType t:AdditionalProperties"
	xExpressions   = "t:And|t:Or|t:Not|t:IsEqualTo|t:IsLessThan|t:IsGreaterThan|t:IsGreaterThanOrEqualTo|t:IsLessThanOrEqualTo|t:Contains"
	xFolderKids    = "t:FolderId|t:DistinguishedFolderId*!"
	xComparison    = "t:FieldURI|t:ExtendedFieldURI! t:FieldURIOrConstant!"
	xMessageKids   = "t:MimeContent t:Subject t:Body t:InReplyTo t:ExtendedProperty t:Flag t:Sender t:ToRecipients t:CcRecipients t:BccRecipients t:From t:InternetMessageId t:IsRead t:References t:ReplyTo"
	xFieldURIAttrs = "FieldURI!"
)

// xSchema is the part of messages.xsd and types.xsd (Exchange 2013) that mail needs.
var xSchema = map[string]xRule{
	"s:Envelope":               {"", "s:Header s:Body!"},
	"s:Header":                 {"", "t:RequestServerVersion!"},
	"t:RequestServerVersion":   {"Version!", ""},
	"s:Body":                   {"", "m:FindItem|m:GetItem|m:FindFolder|m:GetFolder|m:UpdateItem|m:MoveItem|m:DeleteItem|m:CreateItem|m:SendItem|m:CreateAttachment|m:DeleteAttachment|m:CreateFolder|m:UpdateFolder|m:MoveFolder|m:DeleteFolder!"},
	"m:FindItem":               {"Traversal!", "m:ItemShape! m:IndexedPageItemView m:Restriction m:SortOrder m:ParentFolderIds! m:QueryString"},
	"m:GetItem":                {"", "m:ItemShape! m:ItemIds!"},
	"m:FindFolder":             {"Traversal!", "m:FolderShape! m:IndexedPageFolderView m:Restriction m:ParentFolderIds!"},
	"m:GetFolder":              {"", "m:FolderShape! m:FolderIds!"},
	"m:UpdateItem":             {"ConflictResolution! MessageDisposition SuppressReadReceipts", "m:SavedItemFolderId m:ItemChanges!"},
	"m:MoveItem":               {"", "m:ToFolderId! m:ItemIds! m:ReturnNewItemIds"},
	"m:DeleteItem":             {"DeleteType! SendMeetingCancellations AffectedTaskOccurrences", "m:ItemIds!"},
	"m:CreateItem":             {"MessageDisposition", "m:SavedItemFolderId m:Items!"},
	"m:ItemShape":              {"", xShapeKids},
	"m:FolderShape":            {"", "t:BaseShape! t:AdditionalProperties"},
	"t:AdditionalProperties":   {"", "t:FieldURI|t:ExtendedFieldURI*!"},
	"t:FieldURI":               {xFieldURIAttrs, ""},
	"t:ExtendedFieldURI":       {"PropertyTag! PropertyType!", ""},
	"t:BaseShape":              {"", ""},
	"t:IncludeMimeContent":     {"", ""},
	"m:IndexedPageItemView":    {"MaxEntriesReturned Offset! BasePoint!", ""},
	"m:IndexedPageFolderView":  {"MaxEntriesReturned Offset! BasePoint!", ""},
	"m:Restriction":            {"", xExpressions + "!"},
	"t:And":                    {"", xExpressions + "*!"},
	"t:Or":                     {"", xExpressions + "*!"},
	"t:Not":                    {"", xExpressions + "!"},
	"t:IsEqualTo":              {"", xComparison},
	"t:IsLessThan":             {"", xComparison},
	"t:IsGreaterThan":          {"", xComparison},
	"t:IsGreaterThanOrEqualTo": {"", xComparison},
	"t:IsLessThanOrEqualTo":    {"", xComparison},
	"t:Contains":               {"ContainmentMode ContainmentComparison", "t:FieldURI|t:ExtendedFieldURI! t:Constant!"},
	"t:FieldURIOrConstant":     {"", "t:FieldURI|t:Constant!"},
	"t:Constant":               {"Value!", ""},
	"m:SortOrder":              {"", "t:FieldOrder*!"},
	"t:FieldOrder":             {"Order!", "t:FieldURI|t:ExtendedFieldURI!"},
	"m:ParentFolderIds":        {"", xFolderKids},
	"m:FolderIds":              {"", xFolderKids},
	"m:SavedItemFolderId":      {"", "t:FolderId|t:DistinguishedFolderId!"},
	"m:ToFolderId":             {"", "t:FolderId|t:DistinguishedFolderId!"},
	"t:FolderId":               {"Id! ChangeKey", ""},
	"t:DistinguishedFolderId":  {"Id! ChangeKey", ""},
	"m:QueryString":            {"", ""},
	"m:ItemIds":                {"", "t:ItemId*!"},
	"t:ItemId":                 {"Id! ChangeKey", ""},
	"m:ReturnNewItemIds":       {"", ""},
	"m:ItemChanges":            {"", "t:ItemChange*!"},
	"t:ItemChange":             {"", "t:ItemId! t:Updates!"},
	"t:Updates":                {"", "t:SetItemField|t:DeleteItemField|t:SetFolderField*!"},
	"t:DeleteItemField":        {"", "t:FieldURI!"},
	"t:SetFolderField":         {"", "t:FieldURI! t:Folder!"},
	"m:SendItem":               {"SaveItemToFolder!", "m:ItemIds! m:SavedItemFolderId"},
	"m:CreateAttachment":       {"", "m:ParentItemId! m:Attachments!"},
	"m:ParentItemId":           {"Id! ChangeKey", ""},
	"m:Attachments":            {"", "t:FileAttachment*!"},
	"t:FileAttachment":         {"", "t:Name! t:ContentType t:ContentId t:IsInline t:Content!"},
	"t:ContentType":            {"", ""},
	"t:ContentId":              {"", ""},
	"t:IsInline":               {"", ""},
	"t:Content":                {"", ""},
	"m:DeleteAttachment":       {"", "m:AttachmentIds!"},
	"m:AttachmentIds":          {"", "t:AttachmentId*!"},
	"t:AttachmentId":           {"Id!", ""},
	"m:CreateFolder":           {"", "m:ParentFolderId! m:Folders!"},
	"m:ParentFolderId":         {"", "t:FolderId|t:DistinguishedFolderId!"},
	"m:Folders":                {"", "t:Folder*!"},
	"t:Folder":                 {"", "t:FolderClass t:DisplayName!"},
	"t:FolderClass":            {"", ""},
	"t:DisplayName":            {"", ""},
	"m:UpdateFolder":           {"", "m:FolderChanges!"},
	"m:FolderChanges":          {"", "t:FolderChange*!"},
	"t:FolderChange":           {"", "t:FolderId! t:Updates!"},
	"m:MoveFolder":             {"", "m:ToFolderId! m:FolderIds!"},
	"m:DeleteFolder":           {"DeleteType!", "m:FolderIds!"},
	"t:Subject":                {"", ""},
	"t:Body":                   {"BodyType!", ""},
	"t:From":                   {"", "t:Mailbox!"},
	"t:ReplyTo":                {"", "t:Mailbox*!"},
	"t:SetItemField":           {"", "t:FieldURI! t:Message!"},
	"m:Items":                  {"", "t:Message*!"},
	"t:Message":                {"", xMessageKids},
	"t:MimeContent":            {"CharacterSet", ""},
	"t:Flag":                   {"", "t:FlagStatus!"},
	"t:FlagStatus":             {"", ""},
	"t:ToRecipients":           {"", "t:Mailbox*!"},
	"t:CcRecipients":           {"", "t:Mailbox*!"},
	"t:BccRecipients":          {"", "t:Mailbox*!"},
	"t:Mailbox":                {"", "t:Name t:EmailAddress t:RoutingType"},
	"t:Name":                   {"", ""},
	"t:EmailAddress":           {"", ""},
	"t:IsRead":                 {"", ""},
}

// valid refuses what the schema does not have, and what it has in another order, as the real server does (ErrorSchemaValidation).
func (n *xNode) valid() error {
	rule, ok := xSchema[n.name]
	if !ok {
		return fmt.Errorf("element %s is not expected", n.name)
	}
	allowed := map[string]bool{}
	for _, a := range strings.Fields(rule.attrs) {
		name, needed := strings.CutSuffix(a, "!")
		allowed[name] = true
		if _, has := n.attr[name]; needed && !has {
			return fmt.Errorf("%s lacks %s", n.name, name)
		}
	}
	for a := range n.attr {
		if !allowed[a] {
			return fmt.Errorf("%s has no attribute %s", n.name, a)
		}
	}
	rest := n.kids
	for _, slot := range strings.Fields(rule.kids) {
		slot, needed := strings.CutSuffix(slot, "!")
		slot, many := strings.CutSuffix(slot, "*")
		names, taken := strings.Split(slot, "|"), 0
		for len(rest) > 0 && slices.Contains(names, rest[0].name) && (many || taken == 0) {
			rest, taken = rest[1:], taken+1
		}
		if needed && taken == 0 {
			return fmt.Errorf("%s lacks %s", n.name, slot)
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s is not expected there in %s", rest[0].name, n.name)
	}
	if len(n.kids) > 0 && strings.TrimSpace(n.text) != "" {
		return fmt.Errorf("text within %s", n.name)
	}
	for _, k := range n.kids {
		if err := k.valid(); err != nil {
			return err
		}
	}
	return nil
}
