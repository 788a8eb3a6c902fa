// Package pages holds the portal's pages, one file a page: its view model, then its HTML.
//
// It owns what each page says and in which order. A page is a function of layout.Page and its view model; the model is made of
// words, numbers, times and ready addresses, and a handler fills it. It relies on views/layout and views/ui. It never asks for data, never
// decides what somebody may do (an address that is empty is an act that is not offered), and never sees a token.
package pages
