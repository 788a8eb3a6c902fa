package email

import "io"

// Content is bytes that can be read as often as a protocol needs, from anywhere: in memory (bytes.Reader, strings.Reader) or in a spool. Reading needs no
// more memory than the piece that is asked for. Whoever makes one keeps it readable until the call that was given it has returned.
type Content interface {
	io.ReaderAt
	Size() int64
}

// Reader reads c from its beginning. nil is empty.
func Reader(c Content) *io.SectionReader {
	if c == nil {
		return io.NewSectionReader(nothing{}, 0, 0)
	}
	return io.NewSectionReader(c, 0, c.Size())
}

type nothing struct{}

func (nothing) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
