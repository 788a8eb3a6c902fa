package email

// Page is a part of a list. Next is the opaque cursor of the page after it, empty on the last page.
// A page may hold fewer items than asked for and still have a Next: the connector stopped looking for now.
type Page[T any] struct {
	Items []T
	Next  string
}
