package providertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// ExchangeDomain is where the mailboxes of an ExchangeServer are. The server goes by mail.exchange.test and autodiscover.exchange.test, both
// of which a test's resolver has to lead to 127.0.0.1.
const ExchangeDomain = "exchange.test"

// ExchangeServer plays an Exchange 2016 of one's own: EWS and Autodiscover over HTTPS, strict about the schema's order of elements, with
// mailboxes u1@exchange.test, u2@exchange.test, ...
type ExchangeServer struct {
	Host  string // 127.0.0.1
	Port  string
	Roots *x509.CertPool
	CA    []byte // the same as DER

	mu        sync.Mutex
	next      int
	pass      map[string]string
	boxes     map[string]*xBox
	serial    int64
	ways      []string // WWW-Authenticate
	forgetful bool     // every request must sign in anew
	trouble   []xTrouble
	redirect  string // of Autodiscover
	ewsURL    string // what Autodiscover names
	requests  []string
	receipts  int
	open      map[net.Conn]bool
	sent      []Taken
}

type xTrouble struct {
	operation, code string
	backOff         int
	status          int
}

// Exchange starts one for the length of the test. It offers NTLM and Basic.
func Exchange(t testing.TB) *ExchangeServer {
	t.Helper()
	cert, der := exchangeCertificate(t)
	x := &ExchangeServer{Host: "127.0.0.1", Roots: x509.NewCertPool(), CA: der, pass: map[string]string{}, boxes: map[string]*xBox{}, open: map[net.Conn]bool{}, ways: []string{"NTLM", `Basic realm="mail.exchange.test"`}}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	x.Roots.AddCert(parsed)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, x.Port, _ = net.SplitHostPort(l.Addr().String())
	x.ewsURL = "https://mail." + ExchangeDomain + ":" + x.Port + "/EWS/Exchange.asmx"
	mux := http.NewServeMux()
	mux.HandleFunc("/EWS/Exchange.asmx", x.signedIn(x.ews))
	mux.HandleFunc("/autodiscover/autodiscover.xml", x.signedIn(x.autodiscover))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnState: x.track,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, xConnKey{}, &xConn{})
		}}
	go func() { _ = s.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	return x
}

func exchangeCertificate(t testing.TB) (tls.Certificate, []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail." + ExchangeDomain}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		DNSNames: []string{"mail." + ExchangeDomain, "autodiscover." + ExchangeDomain}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}, der
}

// Account is a mailbox that no test has used yet.
func (x *ExchangeServer) Account(t testing.TB) provider.Account {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.next++
	login := fmt.Sprintf("u%d@%s", x.next, ExchangeDomain)
	x.pass[login] = fmt.Sprintf("first-%d", x.next)
	x.boxes[login] = x.newBox()
	password := secret.New(x.pass[login])
	return provider.Account{Key: login + ":1", Address: login, Login: login, Settings: map[string]string{"ews_host": x.Host, "ews_port": x.Port},
		Credential: func(context.Context) (provider.Credential, error) {
			return provider.Credential{Password: password}, nil
		}}
}

// Password is an account's password as it is now.
func (x *ExchangeServer) Password(login string) secret.Text {
	x.mu.Lock()
	defer x.mu.Unlock()
	return secret.New(x.pass[login])
}

// ChangePassword makes the password that an account has no longer good.
func (x *ExchangeServer) ChangePassword(login string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pass[login] += "-changed"
}

// Offer sets what a 401 offers, such as `Basic realm="x"`.
func (x *ExchangeServer) Offer(ways ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ways = ways
}

// Forget makes the server know a connection for one request only, as some front ends do.
func (x *ExchangeServer) Forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forgetful = true
}

// Fail makes the next call of an operation answer a ResponseCode, with how long to wait where that is not 0.
func (x *ExchangeServer) Fail(operation, code string, backOffMilliseconds int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.trouble = append(x.trouble, xTrouble{operation: operation, code: code, backOff: backOffMilliseconds})
}

// FailHTTP makes the next call of an operation answer an HTTP status without SOAP.
func (x *ExchangeServer) FailHTTP(operation string, status int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.trouble = append(x.trouble, xTrouble{operation: operation, status: status})
}

func (x *ExchangeServer) track(c net.Conn, s http.ConnState) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s == http.StateClosed || s == http.StateHijacked {
		delete(x.open, c)
		return
	}
	x.open[c] = true
}

// HangUp closes all connections, as a restart does.
func (x *ExchangeServer) HangUp() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for c := range x.open {
		_ = c.Close()
	}
}

// Redirect makes Autodiscover send its callers to another address.
func (x *ExchangeServer) Redirect(to string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.redirect = to
}

// NameEWS sets the address of EWS that Autodiscover names.
func (x *ExchangeServer) NameEWS(to string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ewsURL = to
}

// Requests is what was asked so far: operation names.
func (x *ExchangeServer) Requests() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]string(nil), x.requests...)
}

// Receipts counts the read receipts that went out, which nobody asked a program to send.
func (x *ExchangeServer) Receipts() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.receipts
}

// Taken is what was sent so far.
func (x *ExchangeServer) Taken() []Taken {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]Taken(nil), x.sent...)
}

// Deliver puts a message into a folder, known by the connector's id or by a path of names; missing folders are made.
func (x *ExchangeServer) Deliver(t testing.TB, a provider.Account, folder string, m Mail) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	box := x.boxes[a.Login]
	at := box.byAlias(folder)
	if at == nil {
		at = box.root
		for _, name := range strings.Split(folder, "/") {
			at = x.child(box, at, name)
		}
	}
	x.put(box, at, xItem{raw: []byte(m.Raw), received: m.Received, read: !m.Unread, flagged: m.Starred})
}

// autodiscover is the POX service ("POX Autodiscover request for Exchange").
func (x *ExchangeServer) autodiscover(w http.ResponseWriter, _ *http.Request, user string, body []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.requests = append(x.requests, "Autodiscover")
	tree, err := readTree(body)
	if x.redirect != "" {
		w.Header().Set("Location", x.redirect)
		w.WriteHeader(http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	const head = `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">`
	if err != nil || tree.name != "a:Autodiscover" || tree.path("a:Request", "a:EMailAddress") == nil || !strings.EqualFold(tree.path("a:Request", "a:EMailAddress").text, user) ||
		tree.path("a:Request", "a:AcceptableResponseSchema") == nil {
		_, _ = w.Write([]byte(head + `<Response><Error Time="00:00:00" Id="1"><ErrorCode>600</ErrorCode><Message>Invalid Request</Message><DebugData /></Error></Response></Autodiscover>`))
		return
	}
	_, _ = w.Write([]byte(head + `<Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><User><DisplayName>` + user + `</DisplayName></User><Account><AccountType>email</AccountType><Action>settings</Action>` +
		`<Protocol><Type>EXCH</Type><Server>mbx1.internal</Server><ASUrl>https://mbx1.internal/EWS/Exchange.asmx</ASUrl><EwsUrl>https://mbx1.internal/EWS/Exchange.asmx</EwsUrl></Protocol>` +
		`<Protocol><Type>EXPR</Type><Server>mail.` + ExchangeDomain + `</Server><SSL>On</SSL><AuthPackage>Ntlm</AuthPackage><ASUrl>` + x.ewsURL + `</ASUrl><EwsUrl>` + x.ewsURL + `</EwsUrl></Protocol></Account></Response></Autodiscover>`))
}
