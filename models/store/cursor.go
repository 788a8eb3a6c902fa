package store

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
)

// ErrCursor is the fault of a cursor that was not given out for this list.
var ErrCursor = fault.New(fault.Invalid, "bad_cursor", "This page's address is damaged. Start again from the first page.").At("cursor")

// Cursor names a place in a list that is ordered by time and id: behind the row that has these.
func Cursor(at time.Time, id fmt.Stringer) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at.UTC().Format(time.RFC3339Nano) + " " + id.String()))
}

// ReadCursor reads what Cursor wrote; an empty text is the beginning, with zero values. It is no authority: the caller's scope decides which rows are there.
func ReadCursor[I ~[16]byte](text string) (at time.Time, id I, err error) {
	if text == "" {
		return at, id, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return at, id, ErrCursor.Because(err)
	}
	first, second, _ := strings.Cut(string(raw), " ")
	at, errTime := time.Parse(time.RFC3339Nano, first)
	id, errID := models.ParseID[I](second)
	if errTime != nil || errID != nil {
		return at, id, ErrCursor.Because(errors.Join(errTime, errID))
	}
	return at, id, nil
}
