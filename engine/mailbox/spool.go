package mailbox

import "github.com/postern-mail/postern/engine/spool"

// Spool holds what is too large for memory while one request is carried out.
type Spool = spool.File

// Spool makes an empty one. Whoever asked for it closes it.
func (s *Service) Spool() (*Spool, error) { return spool.New("") }
