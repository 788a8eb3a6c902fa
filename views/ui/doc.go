// Package ui holds the pieces that pages are laid from: icon, state, table, pager, filters, fields, chart, steps, secret.
//
// It owns how each piece looks and how it reads to a screen reader. It relies on templ and the standard library. It knows no
// route and decides nothing: every word, address and state is handed in, and every text is escaped by templ.
package ui
