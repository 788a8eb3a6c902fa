package providertest

import (
	"slices"
	"time"
)

func (k *nylasCall) threads() {
	q, ok := k.query("any_email", "to", "from", "cc", "bcc", "in", "subject", "unread", "starred", "has_attachment", "latest_message_before", "latest_message_after", "earliest_message_date", "search_query_native")
	if !ok {
		return
	}
	about := q // of the thread, not of one message
	q.Unread, q.Starred, q.HasAttachment, q.ReceivedAfter, q.ReceivedBefore = nil, nil, nil, time.Time{}, time.Time{}
	var all []map[string]any
	seen := map[string]bool{}
	for _, m := range k.box.inOrder(func(*nylasMessage) bool { return true }) {
		if seen[m.thread] {
			continue
		}
		seen[m.thread] = true
		if !slices.ContainsFunc(k.box.messages, func(x *nylasMessage) bool { return x.thread == m.thread && x.fits(q) }) {
			continue
		}
		t := k.box.threadJSON(m.thread, k.grant.ID)
		if about.Unread != nil && *about.Unread != t["unread"] || about.Starred != nil && *about.Starred != t["starred"] || about.HasAttachment != nil && *about.HasAttachment != t["has_attachments"] ||
			!about.ReceivedAfter.IsZero() && !m.at.After(about.ReceivedAfter) || !about.ReceivedBefore.IsZero() && !m.at.Before(about.ReceivedBefore) {
			continue
		}
		all = append(all, t)
	}
	page, next, ok := nylasPage(k, all, func(t map[string]any) string { s, _ := t["id"].(string); return s }, 50)
	if !ok {
		return
	}
	var out []any
	for _, t := range page {
		out = append(out, t)
	}
	k.answer(out, next)
}

func (k *nylasCall) showThread() {
	if t := k.box.threadJSON(k.parts[1], k.grant.ID); t != nil {
		k.data(t)
		return
	}
	k.absent()
}

func (k *nylasCall) changeThread() {
	if k.box.threadJSON(k.parts[1], k.grant.ID) == nil {
		k.absent()
		return
	}
	a, ok := k.alter()
	if !ok {
		return
	}
	for _, m := range k.box.messages {
		if m.thread == k.parts[1] && !m.draft {
			a.apply(m)
		}
	}
	k.data(k.box.threadJSON(k.parts[1], k.grant.ID))
}

func (k *nylasCall) removeThread() {
	if k.box.threadJSON(k.parts[1], k.grant.ID) == nil {
		k.absent()
		return
	}
	for _, m := range k.box.messages {
		if m.thread == k.parts[1] {
			m.bin()
		}
	}
	nylasJSON(k.w, 200, map[string]any{"request_id": nylasID()})
}
