// Package yahoo is the connector for Yahoo Mail: consent by OAuth 2.0 at Yahoo, mail over IMAP and SMTP with XOAUTH2.
//
// It owns Yahoo's addresses, what its token endpoint's own error words mean, and the pin of a Yahoo account (the subject of OpenID
// Connect). It relies on engine/provider/oauth and engine/provider/imapmail and on the egress guard handed in. Yahoo documents no call
// that ends a permission, so this is no Revoker; and it takes no app passwords: those connect as an IMAP mailbox. It keeps nothing but
// pooled connections.
package yahoo
