// Package consent holds the hosted pages: what somebody with a connect link sees, and nobody is signed in on.
//
// It owns the words of asking: who asks, for whom, what will be possible and what will not, and how to undo it. Every page is a function
// of layout.ConsentPage and a view model that a handler fills. It relies on views/layout and views/ui. It knows no provider's rules: guidance,
// rights and addresses are handed in; a password that was typed is never handed back.
package consent
