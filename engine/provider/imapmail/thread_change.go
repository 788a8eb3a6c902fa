package imapmail

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// Thread reads one thread, from whichever of the first mostVisited folders that are not empty. The trash, junk, and a folder of all mail count only when no other
// folder has anything of it.
func (m *Mail) Thread(ctx context.Context, a provider.Account, id string) (email.Thread, error) {
	a = m.at(a)
	var out email.Thread
	err := m.with(ctx, a, "", false, func(s *session) (err error) {
		out, err = s.thread(ctx, a, id)
		return err
	})
	return out, threadGone(err)
}

// threadGone: a thread whose message is gone is gone.
func threadGone(err error) error {
	if f, ok := fault.As(err); ok && f.Kind == fault.NotFound && f.Code != provider.ErrFolderNotFound.Code {
		return provider.ErrThreadNotFound.Because(f)
	}
	return err
}

func (s *session) thread(ctx context.Context, a provider.Account, id string) (email.Thread, error) {
	w, list, _, err := s.collectThread(ctx, a, id)
	if err != nil {
		return email.Thread{}, err
	}
	read, err := w.latest([]woven{{id: id, list: list}})
	if err != nil {
		return email.Thread{}, err
	}
	return read[0], nil
}

// collectThread finds a thread's messages in all folders, oldest first. names are the folders that there are.
func (s *session) collectThread(ctx context.Context, a provider.Account, id string) (w *weaver, list []head, names map[string]bool, err error) {
	_, conversation := rfc5322.ThreadRoot(id)
	rest, alone := strings.CutPrefix(id, "m")
	single, validity, uid, err := messageOf(rest)
	if !conversation && (!alone || err != nil) {
		return nil, nil, nil, provider.ErrThreadNotFound
	}
	all, err := s.folders(ctx, s.has(imap.CapListStatus))
	if err != nil {
		return nil, nil, nil, err
	}
	s.learn(all)
	names = map[string]bool{}
	for _, d := range all {
		names[d.Mailbox] = selectable(d)
	}
	w = &weaver{lister: lister{session: s, ctx: ctx}, known: map[imap.UID]head{}, text: map[textKey]email.Message{}, self: a.Address, key: a.Key}
	if err := w.others(); err != nil {
		return nil, nil, nil, err
	}
	if !conversation {
		if !names[single] {
			return nil, nil, nil, provider.ErrThreadNotFound
		}
		if err := w.back(single); err != nil {
			return nil, nil, nil, err
		}
		if validity == w.validity {
			list, err = w.heads(single, []imap.UID{uid})
		}
		list = slices.DeleteFunc(list, func(h head) bool { return h.ThreadID != id })
	} else {
		list, err = w.everywhere(id, all)
	}
	if err == nil && len(list) == 0 {
		err = provider.ErrThreadNotFound
	}
	return w, inOrder(list), names, err
}

// everywhere looks through the folders for one thread.
func (w *weaver) everywhere(id string, all []*imap.ListData) ([]head, error) {
	use := uses(all)
	order := slices.Clone(all)
	last := func(d *imap.ListData) bool {
		a := use[d.Mailbox]
		return a == email.Trash || a == email.Junk || a == email.All
	}
	slices.SortStableFunc(order, func(a, b *imap.ListData) int { return visitRank(use[a.Mailbox]) - visitRank(use[b.Mailbox]) })
	byID := map[string][]head{}
	visited := 0
	for _, d := range order {
		if !selectable(d) || d.Status != nil && deref(d.Status.NumMessages) == 0 || last(d) && len(byID[id]) > 0 {
			continue
		}
		if visited++; visited > mostVisited {
			break
		}
		if err := w.visit(d.Mailbox, []string{id}, byID, false); err != nil {
			return nil, err
		}
	}
	return byID[id], nil
}

func visitRank(a email.Attribute) int {
	switch a {
	case email.Inbox:
		return 0
	case email.Sent, email.Drafts, email.Archive:
		return 1
	case "":
		return 2
	case email.Trash:
		return 3
	}
	return 4
}

// UpdateThread marks and moves the messages of a thread, folder by folder.
func (m *Mail) UpdateThread(ctx context.Context, a provider.Account, id string, change email.Change) (email.Thread, error) {
	a = m.at(a)
	target := ""
	if change.Folders != nil {
		if len(change.Folders) != 1 {
			return email.Thread{}, fault.New(fault.Invalid, "folders_invalid", "A message behind IMAP is in exactly one folder. Name one.").At("folders")
		}
		var err error
		if target, err = folderName(change.Folders[0]); err != nil {
			return email.Thread{}, provider.ErrFolderNotFound
		}
	}
	var out email.Thread
	err := m.with(ctx, a, "", false, func(s *session) error {
		_, list, names, err := s.collectThread(ctx, a, id)
		if err != nil {
			return err
		}
		if target != "" && !names[target] {
			return provider.ErrFolderNotFound
		}
		if err := s.each(ctx, list, func(folder string, set imap.UIDSet) error {
			if err := s.mark(set, change); err != nil {
				return err
			}
			if target == "" || target == folder {
				return nil
			}
			validity, at, err := s.move(ctx, set, target)
			if _, conversation := rfc5322.ThreadRoot(id); !conversation && at != 0 {
				id = "m" + messageID(target, validity, at) // a message that has no Message-ID takes its thread along
			}
			return err
		}); err != nil {
			return err
		}
		out, err = s.thread(ctx, a, id)
		return err
	})
	return out, threadGone(err)
}

// each selects the folders of a thread for writing, one after the other, and hands over what lies there. Drafts are left out.
func (s *session) each(ctx context.Context, list []head, do func(folder string, set imap.UIDSet) error) error {
	sets := map[string]imap.UIDSet{}
	var order []string
	for _, h := range list {
		if h.Draft {
			continue
		}
		if sets[h.folder] == nil {
			order = append(order, h.folder)
		}
		set := sets[h.folder]
		set.AddNum(h.uid)
		sets[h.folder] = set
	}
	for _, folder := range order {
		s.allow(ctx, selectBytes)
		if err := s.use(folder, true); err != nil {
			return err
		}
		s.allow(ctx, searchBytes)
		if err := do(folder, sets[folder]); err != nil {
			return err
		}
	}
	return nil
}

// DeleteThread moves the messages of a thread to the trash, which is made where there is none. Those that lie there already stay.
func (m *Mail) DeleteThread(ctx context.Context, a provider.Account, id string) error {
	a = m.at(a)
	return threadGone(m.with(ctx, a, "", false, func(s *session) error {
		_, list, _, err := s.collectThread(ctx, a, id)
		if err != nil {
			return err
		}
		trash, err := s.special(ctx, email.Trash)
		if err != nil {
			return err
		}
		return s.each(ctx, list, func(folder string, set imap.UIDSet) error {
			if folder == trash {
				return nil
			}
			_, _, err := s.move(ctx, set, trash)
			return err
		})
	}))
}
