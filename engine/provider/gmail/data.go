package gmail

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
)

// dataOf reads the field "data" of a JSON object as base64url (RFC 4648 section 5), with or without padding, as far as it is asked for. The decoder of the standard library
// holds a string whole, which here may be 35 MB.
func dataOf(r io.Reader) io.Reader {
	return base64.NewDecoder(base64.RawURLEncoding, &dataField{in: bufio.NewReaderSize(r, 32<<10)})
}

var (
	errNotJSON = errors.New("the answer is not the JSON of an attachment")
	errCutOff  = errAnswer.Because(io.ErrUnexpectedEOF)
)

// dataField gives the letters of the string.
type dataField struct {
	in    *bufio.Reader
	begun bool
	err   error
}

// Read implements io.Reader.
func (d *dataField) Read(p []byte) (int, error) {
	if d.err == nil && !d.begun {
		d.err = d.find()
		d.begun = true
	}
	n := 0
	for n < len(p) && d.err == nil {
		// What is there already is enough: whoever reads may be waiting for it.
		if n > 0 && d.in.Buffered() == 0 {
			return n, nil
		}
		c, end, err := d.letter()
		switch {
		case err != nil:
			d.err = cutOff(err)
		case end:
			d.err = io.EOF
		case c == '=' || c == '\r' || c == '\n':
		case c == '+':
			p[n] = '-'
			n++
		case c == '/':
			p[n] = '_'
			n++
		default:
			p[n] = c
			n++
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, d.err
}

// cutOff: an answer that ends in its midst is no end.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return errCutOff
	}
	return err
}

// letter is the next one of a string; end says that it is over. Google writes some letters as escapes (RFC 8259 section 7).
func (d *dataField) letter() (c byte, end bool, err error) {
	if c, err = d.in.ReadByte(); err != nil || c == '"' {
		return 0, err == nil, err
	}
	if c != '\\' {
		return c, false, nil
	}
	if c, err = d.in.ReadByte(); err != nil || c != 'u' {
		return c, false, err
	}
	var hex [4]byte
	if _, err = io.ReadFull(d.in, hex[:]); err != nil {
		return 0, false, err
	}
	u, err := strconv.ParseUint(string(hex[:]), 16, 16)
	if err != nil || u > 0x7f {
		return 0, false, errAnswer.Because(errNotJSON)
	}
	return byte(u), false, nil
}

// find goes to the beginning of the value of "data" among the fields of the outermost object, whose other values are strings, numbers and words.
func (d *dataField) find() error {
	if err := d.expect('{'); err != nil {
		return err
	}
	for {
		if err := d.expect('"'); err != nil {
			return err
		}
		name, err := d.text(64)
		if err != nil {
			return err
		}
		if err := d.expect(':'); err != nil {
			return err
		}
		c, err := d.next()
		if err != nil {
			return err
		}
		switch {
		case c == '"' && name == "data":
			return nil
		case c == '"':
			if _, err := d.text(64 << 10); err != nil {
				return err
			}
			c, err = d.next()
		case c == '{' || c == '[':
			return errAnswer.Because(errNotJSON)
		default:
			for err == nil && c != ',' && c != '}' {
				c, err = d.next()
			}
		}
		switch {
		case err != nil:
			return err
		case c == '}':
			return io.EOF // an attachment without data is empty
		case c != ',':
			return errAnswer.Because(errNotJSON)
		}
	}
}

// next is the next byte that is no white space.
func (d *dataField) next() (byte, error) {
	for {
		c, err := d.in.ReadByte()
		if err != nil {
			return 0, cutOff(err)
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, nil
		}
	}
}

func (d *dataField) expect(want byte) error {
	c, err := d.next()
	if err == nil && c != want {
		err = errAnswer.Because(errNotJSON)
	}
	return err
}

// text is the rest of a string that begins here.
func (d *dataField) text(most int) (string, error) {
	var out []byte
	for len(out) <= most {
		c, end, err := d.letter()
		if err != nil {
			return "", cutOff(err)
		}
		if end {
			return string(out), nil
		}
		out = append(out, c)
	}
	return "", errAnswer.Because(errNotJSON)
}
