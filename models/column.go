package models

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Strings is a column of type text[]. It never holds null elements; nil and empty are both the empty array.
type Strings []string

// Value implements driver.Valuer: PostgreSQL's array literal, every element quoted.
func (s Strings) Value() (driver.Value, error) {
	quoted := make([]string, len(s))
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for i, v := range s {
		quoted[i] = `"` + escape.Replace(v) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}", nil
}

// Scan implements sql.Scanner for one-dimensional arrays.
func (s *Strings) Scan(from any) error {
	var text string
	switch v := from.(type) {
	case nil:
		*s = nil
		return nil
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		return fmt.Errorf("text[] cannot be read from %T", from)
	}
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return fmt.Errorf("not an array literal of %d bytes", len(text))
	}
	*s = splitArray(text[1 : len(text)-1])
	return nil
}

// splitArray reads the inside of an array literal: elements between commas, quoted where they need it, backslash escapes inside quotes.
func splitArray(inside string) []string {
	if inside == "" {
		return []string{}
	}
	var out []string
	var part strings.Builder
	quoted := false
	for i := 0; i < len(inside); i++ {
		switch c := inside[i]; {
		case c == '\\' && quoted && i+1 < len(inside):
			i++
			part.WriteByte(inside[i])
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			out = append(out, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	return append(out, part.String())
}

// Settings is a column of type jsonb with a flat object of texts: hosts, ports, names. Nothing secret goes in.
type Settings map[string]string

// Value implements driver.Valuer.
func (s Settings) Value() (driver.Value, error) {
	if s == nil {
		return "{}", nil
	}
	b, err := json.Marshal(map[string]string(s))
	return string(b), err
}

// Scan implements sql.Scanner.
func (s *Settings) Scan(from any) error { return scanJSON(from, (*map[string]string)(s)) }

// JSON is a column of type jsonb kept as its text. The zero value is the empty object.
type JSON json.RawMessage

// Value implements driver.Valuer.
func (j JSON) Value() (driver.Value, error) {
	if len(j) == 0 {
		return "{}", nil
	}
	return string(j), nil
}

// Scan implements sql.Scanner.
func (j *JSON) Scan(from any) error { return scanJSON(from, (*json.RawMessage)(j)) }

// MarshalJSON implements json.Marshaler.
func (j JSON) MarshalJSON() ([]byte, error) {
	if len(j) == 0 {
		return []byte("{}"), nil
	}
	return j, nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (j *JSON) UnmarshalJSON(b []byte) error {
	*j = append((*j)[:0], b...)
	return nil
}

func scanJSON(from, into any) error {
	switch v := from.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), into)
	case []byte:
		return json.Unmarshal(v, into)
	default:
		return fmt.Errorf("jsonb cannot be read from %T", from)
	}
}

// Ints is a column of type integer[].
type Ints []int

// Value implements driver.Valuer.
func (n Ints) Value() (driver.Value, error) {
	text := make([]string, len(n))
	for i, v := range n {
		text[i] = strconv.Itoa(v)
	}
	return "{" + strings.Join(text, ",") + "}", nil
}

// Scan implements sql.Scanner.
func (n *Ints) Scan(from any) error {
	var text Strings
	if err := text.Scan(from); err != nil {
		return err
	}
	out := make(Ints, len(text))
	for i, t := range text {
		v, err := strconv.Atoi(t)
		if err != nil {
			return fmt.Errorf("integer[] element %d is not a number", i)
		}
		out[i] = v
	}
	*n = out
	return nil
}
