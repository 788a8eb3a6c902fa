package imapmail

import (
	"context"
	"errors"
	"io"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// attachmentPiece is how much of an attachment is asked for at once, and held.
const attachmentPiece = 512 << 10

// Attachment reads one part of a message or a draft and nothing else of it, piece by piece (RFC 3501 section 6.4.5, "partial"). Between two pieces the server's session is
// free: a slow reader keeps nobody waiting. The first piece has been read when it returns.
func (m *Mail) Attachment(ctx context.Context, a provider.Account, message, id string) (email.Attachment, io.ReadCloser, error) {
	a = m.at(a)
	selected, _, _, err := messageOf(message)
	if _, draft := draftOf(message); err != nil && !draft {
		return email.Attachment{}, nil, err
	}
	p := &pieces{mail: m, ctx: ctx, account: a}
	var found rfc5322.Part
	err = m.with(ctx, a, selected, false, func(s *session) error {
		folder, uid, err := s.pathOf(ctx, message)
		if err != nil {
			return err
		}
		p.folder, p.validity, p.uid = folder, s.validity, uid
		l := lister{session: s, ctx: ctx, folder: folder}
		l.allow(ctx, structureMost+itemMost+greetingBytes)
		answers, err := l.collect(imap.UIDSetNum(uid), &imap.FetchOptions{UID: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}}, 1)
		if err != nil {
			return err
		}
		if len(answers) == 0 || answers[0].BodyStructure == nil {
			return provider.ErrMessageNotFound
		}
		for _, part := range structure(answers[0].BodyStructure) {
			if part.Path == id {
				found = part
			}
		}
		if found.Path == "" {
			return nil
		}
		if found.Size > rawMost {
			return provider.ErrTooLarge
		}
		p.part = numbers(found.Path)
		p.buf = make([]byte, attachmentPiece)
		if found.Size < attachmentPiece {
			p.buf = p.buf[:found.Size+1] // one more than there is said to be: a short answer is the end
		}
		return p.fetch(s)
	})
	if err != nil {
		return email.Attachment{}, nil, notFound(err)
	}
	if p.last {
		found.Body = p.rest // its size is known to the byte then
	}
	about, ok := rfc5322.AboutFile([]rfc5322.Part{found}, id)
	if !ok {
		return about, nil, provider.ErrAttachmentNotFound
	}
	return about, io.NopCloser(rfc5322.DecodedFrom(p, found.Encoding)), nil
}

// pieces reads a part of a message as it is encoded.
type pieces struct {
	mail     *Mail
	ctx      context.Context
	account  provider.Account
	folder   string
	validity uint32
	uid      imap.UID
	part     []int
	at       int64  // of the next piece
	buf      []byte // one piece
	rest     []byte // of buf, not given out yet
	last     bool
}

// Read implements io.Reader.
func (p *pieces) Read(out []byte) (int, error) {
	if len(p.rest) == 0 {
		if p.last {
			return 0, io.EOF
		}
		err := p.mail.with(p.ctx, p.account, p.folder, false, func(s *session) error {
			if p.validity != s.validity {
				return provider.ErrMessageNotFound
			}
			return p.fetch(s)
		})
		if err != nil {
			return 0, notFound(err)
		}
		if len(p.rest) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(out, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// fetch reads the next piece into buf.
func (p *pieces) fetch(s *session) error {
	s.allow(p.ctx, int64(len(p.buf))+itemMost+greetingBytes)
	section := &imap.FetchItemBodySection{Peek: true, Part: p.part, Partial: &imap.SectionPartial{Offset: p.at, Size: int64(len(p.buf))}}
	cmd := s.client.Fetch(imap.UIDSetNum(p.uid), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
	found, got := false, 0
	for data := cmd.Next(); data != nil; data = cmd.Next() {
		var uid imap.UID
		var n int
		literal := false
		for item := data.Next(); item != nil; item = data.Next() {
			switch x := item.(type) {
			case imapclient.FetchItemDataUID:
				uid = x.UID
			case imapclient.FetchItemDataBodySection:
				literal = true
				if x.Literal == nil || found {
					continue
				}
				if x.Literal.Size() > int64(len(p.buf)) {
					return errTooMuch
				}
				var err error
				if n, err = io.ReadFull(x.Literal, p.buf[:x.Literal.Size()]); err != nil {
					return errors.Join(io.ErrUnexpectedEOF, err) // the command is left as it is, see collect
				}
			}
		}
		if literal && !found && (uid == 0 || uid == p.uid) {
			found, got = true, n
		}
	}
	if err := cmd.Close(); err != nil {
		return err
	}
	if !found {
		return provider.ErrMessageNotFound
	}
	p.rest, p.at, p.last = p.buf[:got], p.at+int64(got), got < len(p.buf)
	return nil
}
