package imapmail

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
)

// position is how a mailbox stood when it was last looked at. IMAP tells only how a mailbox is, so what changed is found by comparing: which UIDs there are, which of
// them are unread, which are flagged. As runs of numbers these are small, whatever the size of the folder.
type position struct {
	Folders []*folderPosition `json:"folders"`
}

type folderPosition struct {
	Name       string            `json:"name"`
	Attributes []email.Attribute `json:"attributes,omitempty"`
	Validity   uint32            `json:"validity,omitempty"`
	// What STATUS said when the folder was last compared to its end; zero: it has to be compared.
	Next     uint32 `json:"next,omitempty"`
	Messages uint32 `json:"messages,omitempty"`
	NotSeen  uint32 `json:"not_seen,omitempty"`
	ModSeq   uint64 `json:"modseq,omitempty"`
	// The UIDs that were told of, and of these the unread and the flagged ones.
	All     numbers32 `json:"all,omitempty"`
	Unread  numbers32 `json:"unread,omitempty"`
	Starred numbers32 `json:"starred,omitempty"`
}

func readPosition(b []byte) (*position, error) {
	p := &position{}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, errors.New("the position of a watch is damaged")
	}
	return p, nil
}

func (p *position) write() ([]byte, error) { return json.Marshal(p) }

func (p *position) folder(name string) *folderPosition {
	for _, f := range p.Folders {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// settled notes that the folder was compared to its end, and is as STATUS said.
func (f *folderPosition) settled(s *imap.StatusData) {
	f.Next, f.Messages, f.NotSeen, f.ModSeq = uint32(s.UIDNext), number32(s.NumMessages), number32(s.NumUnseen), s.HighestModSeq
}

// same says whether STATUS says nothing new. Where the server counts changes (CONDSTORE), it is sure; elsewhere a flag may have changed unseen.
func (f *folderPosition) same(s *imap.StatusData) bool {
	return f.Validity == s.UIDValidity && f.Next == uint32(s.UIDNext) && f.Next != 0 && f.Messages == number32(s.NumMessages) && f.NotSeen == number32(s.NumUnseen) && f.ModSeq == s.HighestModSeq
}

func number32(n *uint32) uint32 {
	if n == nil {
		return 0
	}
	return *n
}

// numbers32 is a set of UIDs as runs in rising order: for each the gap before it and its length. Most folders are a few runs.
type numbers32 []span

type span struct{ from, to uint32 } // both within

// binary writes gaps and lengths as varints.
func (n numbers32) binary() []byte {
	var b []byte
	at := uint32(0)
	for _, s := range n {
		b = binary.AppendUvarint(b, uint64(s.from-at))
		b = binary.AppendUvarint(b, uint64(s.to-s.from))
		at = s.to
	}
	return b
}

// MarshalJSON implements json.Marshaler.
func (n numbers32) MarshalJSON() ([]byte, error) { return json.Marshal(n.binary()) }

// UnmarshalJSON implements json.Unmarshaler.
func (n *numbers32) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	*n = nil
	at := uint64(0)
	for len(b) > 0 {
		gap, k := binary.Uvarint(b)
		if k <= 0 {
			return errors.New("a damaged set of numbers")
		}
		length, l := binary.Uvarint(b[k:])
		if l <= 0 {
			return errors.New("a damaged set of numbers")
		}
		b = b[k+l:]
		from, to := at+gap, at+gap+length
		if from == 0 || from < at || to < from || to > 1<<32-1 {
			return errors.New("a damaged set of numbers")
		}
		*n = append(*n, span{uint32(from), uint32(to)})
		at = to
	}
	return nil
}

// setOf takes a server's answer to SEARCH. It may come in any order.
func setOf(all imap.NumSet) (numbers32, error) {
	set, ok := all.(imap.UIDSet)
	if !ok && all != nil {
		return nil, errors.New("message numbers where UIDs were asked for")
	}
	if set.Dynamic() {
		return nil, errors.New("a set without an end")
	}
	var clean imap.UIDSet
	for _, r := range set {
		if r.Start == 0 || r.Stop < r.Start {
			return nil, errors.New("a set of no numbers")
		}
		clean.AddRange(r.Start, r.Stop)
	}
	var out numbers32
	for _, r := range clean {
		out = append(out, span{uint32(r.Start), uint32(r.Stop)})
	}
	return out, nil
}

func (n numbers32) has(x uint32) bool {
	lo, hi := 0, len(n)
	for lo < hi {
		mid := (lo + hi) / 2
		switch {
		case x < n[mid].from:
			hi = mid
		case x > n[mid].to:
			lo = mid + 1
		default:
			return true
		}
	}
	return false
}

// minus is what is in n and not in other.
func (n numbers32) minus(other numbers32) numbers32 {
	var out numbers32
	j := 0
	for _, s := range n {
		from, whole := s.from, true
		for ; j < len(other) && other[j].to < s.from; j++ {
		}
		for k := j; k < len(other) && other[k].from <= s.to; k++ {
			if other[k].from > from {
				out = append(out, span{from, other[k].from - 1})
			}
			if other[k].to >= s.to {
				whole = false
				break
			}
			from = other[k].to + 1
		}
		if whole && from <= s.to {
			out = append(out, span{from, s.to})
		}
	}
	return out
}

// and is what is in both.
func (n numbers32) and(other numbers32) numbers32 { return n.minus(n.minus(other)) }

// or is what is in either.
func (n numbers32) or(other numbers32) numbers32 {
	var set imap.UIDSet
	for _, s := range n {
		set.AddRange(imap.UID(s.from), imap.UID(s.to))
	}
	for _, s := range other {
		set.AddRange(imap.UID(s.from), imap.UID(s.to))
	}
	out, _ := setOf(set) // made by the library, so in order
	return out
}

// first gives the lowest numbers, at most as many.
func (n numbers32) first(most int) numbers32 {
	var out numbers32
	for _, s := range n {
		if most <= 0 {
			break
		}
		if size := int(s.to-s.from) + 1; size > most {
			s.to = s.from + uint32(most) - 1
		}
		most -= int(s.to-s.from) + 1
		out = append(out, s)
	}
	return out
}

// each lists the numbers of a set that is known to be small.
func (n numbers32) each() []uint32 {
	var out []uint32
	for _, s := range n {
		for x := uint64(s.from); x <= uint64(s.to); x++ {
			out = append(out, uint32(x))
		}
	}
	return out
}

func (n numbers32) set() imap.UIDSet {
	var out imap.UIDSet
	for _, s := range n {
		out = append(out, imap.UIDRange{Start: imap.UID(s.from), Stop: imap.UID(s.to)})
	}
	return out
}

func (n numbers32) size() int {
	total := 0
	for _, s := range n {
		total += int(s.to-s.from) + 1
	}
	return total
}
