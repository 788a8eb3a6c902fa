package imapmail

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// Attachment reads one part of a message and nothing else of it. The server's session is free again when it returns: a slow reader keeps nobody waiting.
func (m *Mail) Attachment(ctx context.Context, a provider.Account, message, id string) (email.Attachment, io.ReadCloser, error) {
	folder, validity, uid, err := messageOf(message)
	if err != nil {
		return email.Attachment{}, nil, err
	}
	var found rfc5322.Part
	err = m.with(ctx, a, folder, false, func(s *session) error {
		if validity != s.validity {
			return provider.ErrMessageNotFound
		}
		l := lister{session: s, ctx: ctx, folder: folder}
		l.allow(ctx, structureMost+itemMost+greetingBytes)
		one := imap.UIDSetNum(uid)
		answers, err := l.collect(one, &imap.FetchOptions{UID: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}}, 1)
		if err != nil {
			return err
		}
		if len(answers) == 0 || answers[0].BodyStructure == nil {
			return provider.ErrMessageNotFound
		}
		for _, p := range structure(answers[0].BodyStructure) {
			if p.Path == id {
				found = p
			}
		}
		if found.Path == "" {
			return nil
		}
		if found.Size > rawMost {
			return provider.ErrTooLarge
		}
		section := &imap.FetchItemBodySection{Peek: true, Part: numbers(found.Path)}
		l.allow(ctx, found.Size+itemMost+greetingBytes)
		if answers, err = l.collect(one, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}, 1); err != nil {
			return err
		}
		if len(answers) == 0 {
			return provider.ErrMessageNotFound
		}
		found.Body = answers[0].FindBodySection(section)
		return nil
	})
	if err != nil {
		return email.Attachment{}, nil, notFound(err)
	}
	about, content, ok := rfc5322.FileOf([]rfc5322.Part{found}, id)
	if !ok {
		return about, nil, provider.ErrAttachmentNotFound
	}
	return about, io.NopCloser(content), nil
}
