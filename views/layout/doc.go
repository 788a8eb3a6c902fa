// Package layout holds the shells around every page: the portal's frame, the hosted consent page, the plain page and the error.
//
// It owns head, landmarks, navigation, search, region badge, theme, flash and the words for each kind of failure. It relies on
// views/ui and static, and on the nonce that web puts in the context (templ.WithNonce). It knows no route and no role: each
// address and each entry is handed in.
package layout
