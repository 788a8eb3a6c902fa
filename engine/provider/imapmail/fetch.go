package imapmail

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	beginning     = 32 << 10  // of each message in a list: most mail without attachments is here whole
	bareBeginning = 8 << 10   // the same when no body is wanted
	headerMost    = 256 << 10 // of a header that does not end within the beginning
	textMost      = 8 << 20   // of one text part
	snippetText   = 4 << 10   // of a text part that is only wanted for its first words
	textsMost     = 24 << 20  // of all text parts of a page; the page ends sooner then
	rawMost       = 40 << 20  // of a whole message
	structureMost = 64 << 10  // of one BODYSTRUCTURE
	itemMost      = 16 << 10  // of everything else that a FETCH says of one message
)

// fetched is one message on its way from a server.
type fetched struct {
	uid      imap.UID
	flags    []imap.Flag
	received time.Time
	size     int64
	start    []byte // the first bytes, or all
	whole    bool
	header   []byte // when the start did not hold all of it
	parts    []rfc5322.Part
	bodies   map[string]string
}

// fetch reads the messages of set, newest first, in one command where all are small. cut says that the page would have grown too
// large and ends at lowest; lowest is the lowest UID among the items.
func (l *lister) fetch(set imap.NumSet, n int) (items []email.Message, lowest imap.UID, cut bool, err error) {
	if l.q.Fields == email.RawOnly {
		return l.fetchRaw(set, n)
	}
	start := int64(beginning)
	if l.q.NoBody {
		start = bareBeginning
	}
	section := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Size: start}}
	l.allow(l.ctx, int64(n)*(start+itemMost)+greetingBytes)
	all, err := l.collect(set, &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{section}}, n)
	if err != nil {
		return nil, 0, false, err
	}
	list := make([]*fetched, 0, len(all))
	var large []*fetched
	for _, b := range all {
		f := &fetched{uid: b.UID, flags: b.Flags, received: b.InternalDate, size: b.RFC822Size, start: b.FindBodySection(section)}
		if f.uid == 0 || f.start == nil && f.size > 0 {
			continue // an unasked-for update of flags, or a message that was just expunged
		}
		if l.drafts && hasFlag(f.flags, imap.FlagDeleted) {
			continue
		}
		f.whole = int64(len(f.start)) < start
		list = append(list, f)
		if !f.whole {
			large = append(large, f)
		}
	}
	newestFirst(list)
	if len(large) > 0 {
		newestFirst(large)
		kept, err := l.complete(large)
		if err != nil {
			return nil, 0, false, err
		}
		if kept < len(large) {
			cut = true
			for i, f := range list {
				if f == large[kept] {
					list = list[:i]
					break
				}
			}
		}
	}
	for _, f := range list {
		items = append(items, l.message(f))
		lowest = f.uid
	}
	return items, lowest, cut, nil
}

// collect runs a FETCH and keeps at most n answers: a server may say more than it was asked.
func (l *lister) collect(set imap.NumSet, o *imap.FetchOptions, n int) ([]*imapclient.FetchMessageBuffer, error) {
	cmd := l.client.Fetch(set, o)
	var out []*imapclient.FetchMessageBuffer
	seen := map[imap.UID]bool{}
	wanted, byUID := set.(imap.UIDSet)
	for {
		data := cmd.Next()
		if data == nil {
			break
		}
		b, err := gather(data)
		if err != nil {
			// The connection broke within a message. The command is left as it is: to close it would read on beside the client's own
			// reader. with drops the connection.
			return nil, err
		}
		if len(out) < n && !seen[b.UID] && (!byUID || wanted.Contains(b.UID)) {
			seen[b.UID] = true
			out = append(out, b)
		}
	}
	return out, cmd.Close()
}

// gather reads one message's data. The library's own Collect takes a literal that ends too soon for a whole one.
func gather(data *imapclient.FetchMessageData) (*imapclient.FetchMessageBuffer, error) {
	b := &imapclient.FetchMessageBuffer{SeqNum: data.SeqNum}
	for {
		item := data.Next()
		switch x := item.(type) {
		case nil:
			return b, nil
		case imapclient.FetchItemDataUID:
			b.UID = x.UID
		case imapclient.FetchItemDataFlags:
			b.Flags = x.Flags
		case imapclient.FetchItemDataInternalDate:
			b.InternalDate = x.Time
		case imapclient.FetchItemDataRFC822Size:
			b.RFC822Size = x.Size
		case imapclient.FetchItemDataBodyStructure:
			b.BodyStructure = x.BodyStructure
		case imapclient.FetchItemDataBodySection:
			if x.Literal == nil {
				continue
			}
			var text bytes.Buffer
			text.Grow(int(min(x.Literal.Size(), beginning) + bytes.MinRead)) // no more than that on a server's word
			got, err := io.Copy(&text, x.Literal)
			if err == nil && got < x.Literal.Size() {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				return nil, err
			}
			b.BodySection = append(b.BodySection, imapclient.FetchBodySectionBuffer{Section: x.Section, Bytes: text.Bytes()})
		}
	}
}

// complete learns the structure of messages that did not fit, and reads their text parts, nothing else. It answers how many of them,
// from the newest, are complete now.
func (l *lister) complete(large []*fetched) (int, error) {
	byUID := map[imap.UID]*fetched{}
	header := &imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader, Partial: &imap.SectionPartial{Size: headerMost}}
	// Few at a time: how deep a structure may nest is bounded by how many bytes one command may bring.
	for i := 0; i < len(large); i += 20 {
		group := large[i:min(i+20, len(large))]
		var uids imap.UIDSet
		options := &imap.FetchOptions{UID: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}}
		budget := int64(len(group))*(structureMost+itemMost) + greetingBytes
		for _, f := range group {
			byUID[f.uid] = f
			uids.AddNum(f.uid)
			if !rfc5322.HeaderEnds(f.start) && options.BodySection == nil {
				options.BodySection = []*imap.FetchItemBodySection{header}
				budget += int64(len(group)) * headerMost
			}
		}
		l.allow(l.ctx, budget)
		answers, err := l.collect(uids, options, len(group))
		if err != nil {
			return 0, err
		}
		for _, b := range answers {
			if f := byUID[b.UID]; f != nil {
				f.parts = structure(b.BodyStructure)
				f.header = b.FindBodySection(header)
			}
		}
	}
	kept, total := 0, int64(0)
	groups := map[string][]*fetched{}
	var order []string
	for _, f := range large {
		var paths []string
		need := int64(0)
		for _, p := range rfc5322.Texts(f.parts) {
			paths = append(paths, p.Path)
			need += min(p.Size, l.textSize())
		}
		if total += need; total > textsMost && kept > 0 {
			break
		}
		kept++
		if len(paths) == 0 {
			continue
		}
		key := strings.Join(paths, " ")
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], f)
	}
	for _, key := range order {
		if err := l.texts(strings.Split(key, " "), groups[key]); err != nil {
			return 0, err
		}
	}
	return kept, nil
}

func (l *lister) textSize() int64 {
	if l.q.NoBody {
		return snippetText
	}
	return textMost
}

// texts reads the same parts of messages that are built alike.
func (l *lister) texts(paths []string, group []*fetched) error {
	if len(paths) > 20 {
		paths = paths[:20]
	}
	var uids imap.UIDSet
	byUID := map[imap.UID]*fetched{}
	budget := int64(greetingBytes)
	for _, f := range group {
		uids.AddNum(f.uid)
		byUID[f.uid] = f
		budget += itemMost
		for _, p := range rfc5322.Texts(f.parts) {
			budget += min(p.Size, l.textSize()) + 1024
		}
	}
	options := &imap.FetchOptions{UID: true}
	sections := map[string]*imap.FetchItemBodySection{}
	for _, path := range paths {
		sections[path] = &imap.FetchItemBodySection{Peek: true, Part: numbers(path), Partial: &imap.SectionPartial{Size: l.textSize()}}
		options.BodySection = append(options.BodySection, sections[path])
	}
	l.allow(l.ctx, budget)
	answers, err := l.collect(uids, options, len(group))
	if err != nil {
		return err
	}
	for _, b := range answers {
		f := byUID[b.UID]
		if f == nil {
			continue
		}
		f.bodies = map[string]string{}
		for _, p := range rfc5322.Texts(f.parts) {
			if s := sections[p.Path]; s != nil {
				f.bodies[p.Path] = rfc5322.DecodeText(b.FindBodySection(s), p.Encoding, p.Charset)
			}
		}
	}
	return nil
}

func (l *lister) fetchRaw(set imap.NumSet, n int) (items []email.Message, lowest imap.UID, cut bool, err error) {
	l.allow(l.ctx, int64(n)*itemMost+greetingBytes)
	sizes, err := l.collect(set, &imap.FetchOptions{UID: true, RFC822Size: true, Flags: l.drafts}, n)
	if err != nil {
		return nil, 0, false, err
	}
	list := make([]*fetched, 0, len(sizes))
	for _, b := range sizes {
		if l.drafts && hasFlag(b.Flags, imap.FlagDeleted) {
			continue
		}
		list = append(list, &fetched{uid: b.UID, size: b.RFC822Size, flags: b.Flags})
	}
	newestFirst(list)
	section := &imap.FetchItemBodySection{Peek: true}
	total := int64(0)
	for _, f := range list {
		if f.size > rawMost {
			if n == 1 {
				return nil, 0, false, provider.ErrTooLarge
			}
		} else if total += f.size; total > rawMost && len(items) > 0 {
			return items, lowest, true, nil
		}
		m := email.Message{ID: messageID(l.folder, l.validity, f.uid), Folders: []string{folderID(l.folder)}, Size: f.size, Starred: hasFlag(f.flags, imap.FlagFlagged)}
		lowest = f.uid
		if f.size <= rawMost {
			l.allow(l.ctx, rawMost+itemMost)
			b, err := l.collect(imap.UIDSetNum(f.uid), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}, 1)
			if err != nil {
				return nil, 0, false, err
			}
			if len(b) == 0 {
				continue
			}
			m.Raw = b[0].FindBodySection(section)
		}
		items = append(items, m)
	}
	return items, lowest, false, nil
}
