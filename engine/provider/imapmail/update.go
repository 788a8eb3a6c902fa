package imapmail

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// UpdateMessage marks and moves one message. In IMAP a message is in one folder; its id changes with a move.
func (m *Mail) UpdateMessage(ctx context.Context, a provider.Account, id string, change email.Change) (email.Message, error) {
	folder, validity, uid, err := messageOf(id)
	if err != nil {
		return email.Message{}, err
	}
	target := folder
	if change.Folders != nil {
		if len(change.Folders) != 1 {
			return email.Message{}, fault.New(fault.Invalid, "folders_invalid", "A message behind IMAP is in exactly one folder. Name one.").At("folders")
		}
		if target, err = folderName(change.Folders[0]); err != nil {
			return email.Message{}, provider.ErrFolderNotFound
		}
	}
	var out email.Message
	err = m.with(ctx, m.at(a), folder, true, func(s *session) error {
		if err := s.present(ctx, validity, uid); err != nil {
			return err
		}
		if err := s.mark(imap.UIDSetNum(uid), change); err != nil {
			return err
		}
		if target != folder {
			v, n, err := s.move(ctx, imap.UIDSetNum(uid), target)
			if err != nil {
				return err
			}
			if n == 0 { // moved, and the server does not say to where
				out = email.Message{Folders: []string{folderID(target)}}
				return nil
			}
			if err := s.use(target, false); err != nil {
				return err
			}
			if v != s.validity {
				return provider.ErrBadAnswer.Because(errors.New("two UIDVALIDITY for one folder"))
			}
			uid = n
		}
		s.allow(ctx, selectBytes)
		out, err = s.one(ctx, target, uid, email.Standard)
		return err
	})
	return out, err
}

// present makes sure that the id still names a message before anything is done to it.
func (s *session) present(ctx context.Context, validity uint32, uid imap.UID) error {
	if validity != s.validity {
		return provider.ErrMessageNotFound
	}
	l := lister{session: s, ctx: ctx}
	found, err := l.collect(imap.UIDSetNum(uid), &imap.FetchOptions{UID: true, Flags: true}, 1)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return provider.ErrMessageNotFound
	}
	return nil
}

func (s *session) mark(set imap.UIDSet, c email.Change) error {
	var add, del []imap.Flag
	put := func(want *bool, f imap.Flag, inverse bool) {
		switch {
		case want == nil:
		case *want != inverse:
			add = append(add, f)
		default:
			del = append(del, f)
		}
	}
	put(c.Unread, imap.FlagSeen, true)
	put(c.Starred, imap.FlagFlagged, false)
	if err := s.flag(set, imap.StoreFlagsAdd, add...); err != nil {
		return err
	}
	return s.flag(set, imap.StoreFlagsDel, del...)
}

// move answers where the message is now; 0 when the server does not say, or when there were several. Without MOVE it copies, and only when that has worked
// marks the old one: go-imap's own fallback sends both at once, and a copy that fails would then lose the message.
func (s *session) move(ctx context.Context, set imap.UIDSet, target string) (validity uint32, at imap.UID, err error) {
	s.allow(ctx, searchBytes)
	if s.has(imap.CapMove) {
		data, err := s.client.Move(set, target).Wait()
		if err != nil {
			return 0, 0, moveFault(err)
		}
		dest, _ := data.DestUIDs.(imap.UIDSet)
		return data.UIDValidity, only(dest), nil
	}
	data, err := s.client.Copy(set, target).Wait()
	if err != nil {
		return 0, 0, moveFault(err)
	}
	return data.UIDValidity, only(data.DestUIDs), s.erase(set)
}

func only(set imap.UIDSet) imap.UID {
	if all := takeBelow(set, 0, 2); len(all) == 1 {
		return all[0]
	}
	return 0
}

func moveFault(err error) error {
	var no *imap.Error
	if errors.As(err, &no) && no.Type == imap.StatusResponseTypeNo && no.Code == "" {
		return provider.ErrFolderNotFound.Because(plain(err))
	}
	return err
}

// erase removes messages for good. Without UIDPLUS an EXPUNGE takes everything that is marked: what other programs have marked and not yet decided on is unmarked
// for that moment. Should the connection end within it, those messages have lost their mark, and nothing else.
func (s *session) erase(set imap.UIDSet) error {
	if s.has(imap.CapUIDPlus) || s.has(imap.CapIMAP4rev2) {
		if err := s.flag(set, imap.StoreFlagsAdd, imap.FlagDeleted); err != nil {
			return err
		}
		return s.client.UIDExpunge(set).Close()
	}
	others, err := s.uids(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagDeleted}, Not: []imap.SearchCriteria{{UID: []imap.UIDSet{set}}}})
	if err != nil {
		return err
	}
	if len(others) > 0 {
		if err := s.flag(others, imap.StoreFlagsDel, imap.FlagDeleted); err != nil {
			return err
		}
	}
	if err = s.flag(set, imap.StoreFlagsAdd, imap.FlagDeleted); err == nil {
		err = s.client.Expunge().Close()
	}
	if len(others) > 0 {
		err = errors.Join(err, s.flag(others, imap.StoreFlagsAdd, imap.FlagDeleted))
	}
	return err
}

// flag adds or takes flags, without being told what they are then.
func (s *session) flag(set imap.UIDSet, op imap.StoreFlagsOp, flags ...imap.Flag) error {
	if len(flags) == 0 {
		return nil
	}
	return s.client.Store(set, &imap.StoreFlags{Op: op, Silent: true, Flags: flags}, nil).Close()
}

// DeleteMessage moves to the trash, which is made where there is none; with forever it erases.
// A message that lies in the trash already stays there.
func (m *Mail) DeleteMessage(ctx context.Context, a provider.Account, id string, forever bool) error {
	folder, validity, uid, err := messageOf(id)
	if err != nil {
		return err
	}
	return notFound(m.with(ctx, m.at(a), folder, true, func(s *session) error {
		if err := s.present(ctx, validity, uid); err != nil {
			return err
		}
		if forever {
			return s.erase(imap.UIDSetNum(uid))
		}
		trash, err := s.special(ctx, email.Trash)
		if err != nil || trash == folder {
			return err
		}
		_, _, err = s.move(ctx, imap.UIDSetNum(uid), trash)
		return err
	}))
}
