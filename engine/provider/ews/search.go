package ews

import (
	"encoding/xml"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// flagStatus is PidTagFlagStatus (MS-OXPROPS): 2 = flagged. The item:Flag of the schema can be read and written, but not searched for.
var flagStatus = extendedURI{Tag: "0x1090", Type: "Integer"}

func name(local string) xml.Name { return xml.Name{Local: "t:" + local} }

func compare(how, field, value string) condition {
	return condition{XMLName: name(how), Field: &fieldURI{field}, Against: &against{constant{value}}}
}

func contains(field, value string) condition {
	return condition{XMLName: name("Contains"), Mode: "Substring", Comparison: "IgnoreCase", Field: &fieldURI{field}, Constant: &constant{value}}
}

func group(how string, inner ...condition) condition {
	return condition{XMLName: name(how), Inner: inner}
}

// instant is a date as the schema writes it.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func yesNo(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// restriction asks the server for at least what the query wants; fit decides on what comes back. before is the end of the page before
// this one, exclusive; zero on the first page.
func restriction(q email.Query, before time.Time) *where {
	var all []condition
	if q.Subject != "" {
		all = append(all, contains("item:Subject", q.Subject))
	}
	if q.Unread != nil {
		all = append(all, compare("IsEqualTo", "message:IsRead", yesNo(!*q.Unread)))
	}
	if q.Starred != nil {
		flagged := condition{XMLName: name("IsEqualTo"), Extended: &flagStatus, Against: &against{constant{"2"}}}
		if !*q.Starred {
			flagged = group("Not", flagged) // the property is absent where a message was never flagged
		}
		all = append(all, flagged)
	}
	if q.HasAttachment != nil {
		all = append(all, compare("IsEqualTo", "item:HasAttachments", yesNo(*q.HasAttachment)))
	}
	if !q.ReceivedAfter.IsZero() {
		all = append(all, compare("IsGreaterThanOrEqualTo", "item:DateTimeReceived", instant(q.ReceivedAfter.Truncate(time.Second))))
	}
	if end := q.ReceivedBefore; !end.IsZero() && (before.IsZero() || end.Before(before)) {
		before = end.Add(time.Second - 1).Truncate(time.Second)
	}
	if !before.IsZero() {
		all = append(all, compare("IsLessThan", "item:DateTimeReceived", instant(before)))
	}
	if root, ok := rfc5322.ThreadRoot(q.ThreadID); ok {
		all = append(all, group("Or", contains("message:InternetMessageId", root), contains("message:References", root), contains("item:InReplyTo", root)))
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return &where{all[0]}
	}
	return &where{group("And", all...)}
}

// impossible says that nothing can match: a thread that is no thread of ours.
func impossible(q email.Query) bool {
	if q.ThreadID == "" || strings.HasPrefix(q.ThreadID, alone) {
		return false
	}
	_, ok := rfc5322.ThreadRoot(q.ThreadID)
	return !ok
}

// fit judges what the server cannot be asked exactly: addresses, threads, fractions of a second. Attachments stay with the server: it does not
// count pictures within the text.
func fit(q email.Query, m email.Message) bool {
	q.HasAttachment = nil
	return q.Matches(m)
}

// sifted says whether fit may turn something down because of what only the envelope tells.
func sifted(q email.Query) bool {
	return q.ThreadID != "" || len(q.Any)+len(q.From)+len(q.To)+len(q.Cc)+len(q.Bcc) > 0
}
