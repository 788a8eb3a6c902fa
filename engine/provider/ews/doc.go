// Package ews is the connector for Exchange servers that an organisation runs itself: Exchange Web Services (EWS), by password.
//
// It owns the SOAP calls that reading, changing and sending mail need, finding the server by Autodiscover, signing in by NTLM or Basic, and
// telling Exchange Online apart, which takes no passwords and is reached through the Microsoft connector. It relies on
// engine/provider/rfc5322 for messages and on the egress guard handed in. NTLM proves a connection, not a request: a connection is
// never shared by two accounts, so this package keeps its own and does not use the guard's HTTP client, whose connections all callers
// share. It speaks the schema of Exchange 2013, which every later version takes. Nothing is kept but pooled connections.
package ews
