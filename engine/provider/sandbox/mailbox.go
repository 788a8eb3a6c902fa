package sandbox

import (
	"bytes"
	"net"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
)

// mailbox is one person's mail.
type mailbox struct {
	*imapmemserver.User
	address, name, subject string

	mu      sync.Mutex
	folders map[string]bool
}

var specialUse = map[string]imap.MailboxAttr{"Sent": imap.MailboxAttrSent, "Drafts": imap.MailboxAttrDrafts, "Trash": imap.MailboxAttrTrash, "Junk": imap.MailboxAttrJunk, "Archive": imap.MailboxAttrArchive}

func newMailbox(address, name, password string) *mailbox {
	m := &mailbox{User: imapmemserver.NewUser(address, password), address: address, name: name, subject: "sandbox-" + digest(address)[:16], folders: map[string]bool{}}
	for _, f := range []string{"INBOX", "Sent", "Drafts", "Trash", "Archive", "Junk"} {
		_ = m.create(f)
	}
	return m
}

func (m *mailbox) create(name string) error {
	name = strings.TrimRight(name, "/")
	if err := m.User.Create(name, nil); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.folders[name] = true
	return nil
}

func (m *mailbox) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]string, 0, len(m.folders))
	for n := range m.folders {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

func (m *mailbox) put(folder string, raw []byte, at time.Time, flags []imap.Flag) error {
	_, err := m.User.Append(folder, literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: at, Flags: flags})
	return err
}

// session is one IMAP connection. A session opened by a token asks, before each command, whether the token is still good and what it
// allows; one opened by the password may do everything.
type session struct {
	*imapmemserver.UserSession // nil before the login
	server                     *Server
	conn                       net.Conn
	box                        *mailbox
	token                      *access // nil for a password
	selected                   string
}

var (
	_ imapserver.SessionIMAP4rev2 = (*session)(nil)
	_ imapserver.SessionSASL      = (*session)(nil)

	errDead  = &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeAuthenticationFailed, Text: "The access token is not good"}
	errScope = &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeNoPerm, Text: "The access token does not allow this"}
)

// need checks the token. Any one of the scopes is enough; none means that only the token itself is checked.
func (s *session) need(scopes ...string) error {
	if s.token == nil {
		return nil
	}
	if !s.server.book.live(s.token) {
		return errDead
	}
	for _, sc := range scopes {
		if s.token.may(sc) {
			return nil
		}
	}
	if len(scopes) == 0 {
		return nil
	}
	return errScope
}

func (s *session) Close() error {
	if s.token != nil {
		s.server.book.release(s.token, s.conn)
	}
	if s.UserSession == nil {
		return nil
	}
	return s.UserSession.Close()
}

func (s *session) enter(box *mailbox) {
	s.box, s.UserSession = box, imapmemserver.NewUserSession(box.User)
}

func (s *session) Login(user, password string) error {
	box := s.server.box(strings.ToLower(user))
	if box == nil || !same(password, s.server.book.password()) {
		return imapserver.ErrAuthFailed
	}
	s.enter(box)
	return nil
}

func (s *session) AuthenticateMechanisms() []string { return []string{"XOAUTH2", sasl.Plain} }

func (s *session) Authenticate(mech string) (sasl.Server, error) {
	switch mech {
	case "XOAUTH2":
		return &xoauth2{check: func(user, token string) bool {
			a := s.server.book.check(token)
			if a == nil || a.user != strings.ToLower(user) || !s.server.book.hold(a, s.conn) {
				return false
			}
			s.token = a
			s.enter(s.server.box(a.user))
			return true
		}, refused: imapserver.ErrAuthFailed}, nil
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return s.Login(user, password) }), nil
	}
	return nil, &imap.Error{Type: imap.StatusResponseTypeNo, Text: "No such mechanism"}
}

// xoauth2 is the server's side of the mechanism: on a bad token it sends a report, waits for an empty answer, and refuses.
type xoauth2 struct {
	check    func(user, token string) bool
	refused  error
	reported bool
}

func (x *xoauth2) Next(response []byte) (challenge []byte, done bool, err error) {
	if x.reported {
		return nil, false, x.refused
	}
	if response == nil {
		return []byte{}, false, nil
	}
	var user, token string
	for _, f := range strings.Split(string(response), "\x01") {
		if v, ok := strings.CutPrefix(f, "user="); ok {
			user = v
		}
		if v, ok := strings.CutPrefix(f, "auth=Bearer "); ok {
			token = v
		}
	}
	if x.check(user, token) {
		return nil, true, nil
	}
	x.reported = true
	return []byte(`{"status":"401","schemes":"bearer","scope":"mail.read"}`), false, nil
}

func (s *session) Select(name string, o *imap.SelectOptions) (*imap.SelectData, error) {
	if err := s.need(within(name, ScopeRead)...); err != nil {
		return nil, err
	}
	s.selected = ""
	data, err := s.UserSession.Select(name, o)
	if err == nil {
		s.selected = name
	}
	return data, err
}

// within is the scopes of which one allows an act in a folder: whoever may write drafts may do so within their folder.
func within(folder string, scope string) []string {
	if folder == "Drafts" {
		return []string{scope, ScopeDrafts}
	}
	return []string{scope}
}

func (s *session) Status(name string, o *imap.StatusOptions) (*imap.StatusData, error) {
	if err := s.need(within(name, ScopeRead)...); err != nil {
		return nil, err
	}
	return s.UserSession.Status(name, o)
}

// List is ours because the in-memory server knows nothing of SPECIAL-USE.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, o *imap.ListOptions) error {
	if err := s.need(ScopeRead, ScopeDrafts, ScopeFolders); err != nil {
		return err
	}
	if len(patterns) == 0 {
		return s.UserSession.List(w, ref, patterns, o)
	}
	for _, name := range s.box.names() {
		for _, p := range patterns {
			if !imapserver.MatchList(name, '/', ref, p) {
				continue
			}
			use, special := specialUse[name]
			if o.SelectSpecialUse && !special {
				break
			}
			d := &imap.ListData{Delim: '/', Mailbox: name}
			if special {
				d.Attrs = append(d.Attrs, use)
			}
			if o.ReturnStatus != nil {
				if st, err := s.UserSession.Status(name, o.ReturnStatus); err == nil {
					d.Status = st
				}
			}
			if err := w.WriteList(d); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

func (s *session) Create(name string, _ *imap.CreateOptions) error {
	if err := s.need(ScopeFolders); err != nil {
		return err
	}
	return s.box.create(name)
}

func (s *session) Delete(name string) error {
	if err := s.need(ScopeFolders); err != nil {
		return err
	}
	if _, special := specialUse[name]; special || name == "INBOX" {
		return &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeCannot, Text: "This folder stays"}
	}
	if err := s.UserSession.Delete(name); err != nil {
		return err
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	delete(s.box.folders, name)
	return nil
}

func (s *session) Rename(from, to string, o *imap.RenameOptions) error {
	if err := s.need(ScopeFolders); err != nil {
		return err
	}
	if _, special := specialUse[from]; special || from == "INBOX" {
		return &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeCannot, Text: "This folder stays"}
	}
	to = strings.TrimRight(to, "/")
	for _, name := range s.box.names() {
		// Folders within it go along (RFC 3501 section 6.3.5).
		rest, below := strings.CutPrefix(name, from+"/")
		if name != from && !below {
			continue
		}
		now := to
		if below {
			now += "/" + rest
		}
		if err := s.UserSession.Rename(name, now, o); err != nil {
			return err
		}
		s.box.mu.Lock()
		delete(s.box.folders, name)
		s.box.folders[now] = true
		s.box.mu.Unlock()
	}
	return nil
}

func (s *session) Append(name string, r imap.LiteralReader, o *imap.AppendOptions) (*imap.AppendData, error) {
	if err := s.need(within(name, ScopeModify)...); err != nil {
		return nil, err
	}
	return s.UserSession.Append(name, r, o)
}

func (s *session) Search(k imapserver.NumKind, c *imap.SearchCriteria, o *imap.SearchOptions) (*imap.SearchData, error) {
	if err := s.need(within(s.selected, ScopeRead)...); err != nil {
		return nil, err
	}
	return s.UserSession.Search(k, c, o)
}

func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	if err := s.need(within(s.selected, ScopeRead)...); err != nil {
		return err
	}
	return s.UserSession.Fetch(w, set, o)
}

func (s *session) Store(w *imapserver.FetchWriter, set imap.NumSet, f *imap.StoreFlags, o *imap.StoreOptions) error {
	if err := s.need(within(s.selected, ScopeModify)...); err != nil {
		return err
	}
	return s.UserSession.Store(w, set, f, o)
}

func (s *session) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	if err := s.need(within(s.selected, ScopeModify)...); err != nil {
		return err
	}
	return s.UserSession.Expunge(w, uids)
}

func (s *session) Copy(set imap.NumSet, dest string) (*imap.CopyData, error) {
	if err := s.need(ScopeModify); err != nil {
		return nil, err
	}
	return s.UserSession.Copy(set, dest)
}

func (s *session) Move(w *imapserver.MoveWriter, set imap.NumSet, dest string) error {
	if err := s.need(ScopeModify); err != nil {
		return err
	}
	return s.UserSession.Move(w, set, dest)
}

// Poll runs after each command, NOOP included.
func (s *session) Poll(w *imapserver.UpdateWriter, expunge bool) error {
	if s.UserSession == nil {
		return nil
	}
	if err := s.need(); err != nil {
		return err
	}
	return s.UserSession.Poll(w, expunge)
}
