// Package graph is the connector to Microsoft 365 and Outlook.com.
//
// It owns consent at the Microsoft identity platform (v2.0 endpoints), the identity of an account there, and mail over Microsoft Graph v1.0 by a
// thin client of its own: the vendor's SDK brings a thousand types for the dozen calls made here. It relies on engine/dial for every connection and
// on engine/provider/oauth for the token endpoint. It has no Revoker, because Microsoft offers an app no call that withdraws one permission. It
// keeps an access token in memory only, under its account's key and until Close, never follows an address that an answer names, and never puts
// anything that Microsoft wrote but short error codes into an error.
package graph
