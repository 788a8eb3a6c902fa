// Package graph is the connector to Microsoft 365 and Outlook.com.
//
// It owns consent at the Microsoft identity platform (v2.0 endpoints), the identity of an account there, and mail over Microsoft Graph v1.0 by a
// thin client of its own: the vendor's SDK brings a thousand types for the dozen calls made here. It relies on engine/dial for every connection and
// on engine/provider/oauth for the token endpoint. It has no Revoker, because Microsoft offers an app no call that withdraws one permission. It
// keeps an access token in memory only, under its account's key and until Close, and sends it to no address that an answer names: of the link to a
// next page only the query is used, and pieces of a large attachment go, without it, to Microsoft's own hosts alone. Nothing that Graph wrote but
// its short error code gets into an error.
package graph
