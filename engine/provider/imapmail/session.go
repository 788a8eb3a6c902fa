package imapmail

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	selectBytes = 256 << 10
	searchBytes = 8 << 20 // a million numbers
)

// session is one logged-in connection, used by one caller at a time.
type session struct {
	mail     *Mail
	client   *imapclient.Client
	wire     *wire
	folder   string // selected; empty = none
	write    bool   // selected for writing
	spent    bool   // of no use any more, whatever the server says next
	validity uint32
	account  *account
	tree     int64                      // the account's tree when folder and places were learned
	places   map[email.Attribute]string // the folders with a use; nil = not asked yet
	placed   time.Time                  // when that was
	since    time.Time                  // idle since; guarded by Mail.mu
	timer    *time.Timer                // guarded by Mail.mu
}

// end closes the socket without waiting for anybody.
func (s *session) end() { s.wire.kill() }

// allow gives the next command its bytes, and the time that the caller has left.
func (s *session) allow(ctx context.Context, bytes int64) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(s.mail.commandTimeout)
	}
	s.wire.allow(bytes, deadline)
}

// follow forgets what was known of folders that have been renamed or deleted since.
func (s *session) follow(a *account) {
	s.account = a
	if now := a.tree.Load(); now != s.tree {
		s.tree, s.folder, s.places = now, "", nil
	}
}

// use selects folder, or brings the selected one up to date.
func (s *session) use(folder string, write bool) error {
	if folder == "" {
		if s.folder != "" {
			return s.client.Noop().Wait()
		}
		return nil
	}
	if s.folder == folder && (s.write || !write) {
		// New mail and expunged mail may be told of only here, before sequence numbers are used.
		return s.client.Noop().Wait()
	}
	s.folder = ""
	before := s.client.Mailbox()
	data, err := s.client.Select(folder, &imap.SelectOptions{ReadOnly: !write}).Wait()
	if err != nil {
		return selectFault(err)
	}
	// The client library reports the end of SELECT a moment before it takes over the new folder's count.
	for {
		if now := s.client.Mailbox(); now != nil && now != before && now.Name == folder {
			break
		}
		select {
		case <-s.client.Closed():
			return io.ErrUnexpectedEOF
		case <-time.After(20 * time.Microsecond):
		}
	}
	s.folder, s.write, s.validity = folder, write, data.UIDValidity
	return nil
}

// put appends a message to a folder. A server may refuse it before it has read it (no room, no such folder). The command is closed all the same, because the client
// library keeps its writer locked until then and whoever is given the connection next would wait for ever; and closing it there ends the connection.
func (s *session) put(folder string, size int64, msg io.WriterTo, flags []imap.Flag) (imap.AppendData, error) {
	cmd := s.client.Append(folder, size, &imap.AppendOptions{Flags: flags})
	_, err := msg.WriteTo(cmd)
	if closed := cmd.Close(); err == nil {
		err = closed
	}
	if err != nil {
		s.spent = true
		return imap.AppendData{}, err
	}
	data, err := cmd.Wait()
	return *data, err
}

// selectFault: a server need not say why it cannot select; a plain NO to SELECT is an absent folder (RFC 3501 section 6.3.1).
func selectFault(err error) error {
	var no *imap.Error
	if errors.As(err, &no) && no.Type == imap.StatusResponseTypeNo {
		switch no.Code {
		case "", imap.ResponseCodeNonExistent, imap.ResponseCodeTryCreate, imap.ResponseCodeCannot:
			return provider.ErrFolderNotFound.Because(plain(err))
		}
	}
	return err
}

func (s *session) count() uint32 {
	if box := s.client.Mailbox(); box != nil {
		return box.NumMessages
	}
	return 0
}

func (s *session) has(c imap.Cap) bool { return s.client.Caps().Has(c) }
