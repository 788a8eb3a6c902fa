package ews

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

const answerBytes = 1 << 20 // of everything but messages themselves

// The namespaces of EWS, and the schema version asked for: 2013 is the oldest that knows flags, and every later server takes it.
const (
	nsSoap     = "http://schemas.xmlsoap.org/soap/envelope/"
	nsMessages = "http://schemas.microsoft.com/exchange/services/2006/messages"
	nsTypes    = "http://schemas.microsoft.com/exchange/services/2006/types"
	version    = "Exchange2013"
)

type envelope struct {
	XMLName xml.Name `xml:"s:Envelope"`
	S       string   `xml:"xmlns:s,attr"`
	M       string   `xml:"xmlns:m,attr"`
	T       string   `xml:"xmlns:t,attr"`
	Version struct {
		Value string `xml:"Version,attr"`
	} `xml:"s:Header>t:RequestServerVersion"`
	Body struct{ Call any } `xml:"s:Body"`
}

// answer is what comes back from every operation: one response message for each thing asked about.
type answer struct {
	Body struct {
		Fault *struct {
			String string  `xml:"faultstring"`
			Code   string  `xml:"detail>ResponseCode"`
			Values []value `xml:"detail>MessageXml>Value"`
		} `xml:"Fault"`
		Operation struct {
			Messages struct {
				All []message `xml:",any"`
			} `xml:"ResponseMessages"`
		} `xml:",any"`
	} `xml:"Body"`
}

type value struct {
	Name string `xml:"Name,attr"`
	Text string `xml:",chardata"`
}

type message struct {
	Class   string  `xml:"ResponseClass,attr"`
	Code    string  `xml:"ResponseCode"`
	Values  []value `xml:"MessageXml>Value"`
	Root    root    `xml:"RootFolder"`
	Items   items   `xml:"Items"`
	Folders folders `xml:"Folders"`
}

type root struct {
	Next    int     `xml:"IndexedPagingOffset,attr"`
	Last    bool    `xml:"IncludesLastItemInRange,attr"`
	Items   items   `xml:"Items"`
	Folders folders `xml:"Folders"`
}

// items may be messages, meeting requests, reports of undelivered mail: each is mail to its reader.
type items struct {
	All []item `xml:",any"`
}

type folders struct {
	All []folder `xml:",any"`
}

func soapHeader() http.Header {
	return http.Header{"Content-Type": {"text/xml; charset=utf-8"}, "Accept": {"text/xml"}}
}

func encode(call any) ([]byte, error) {
	e := envelope{S: nsSoap, M: nsMessages, T: nsTypes}
	e.Version.Value = version
	e.Body.Call = call
	b, err := xml.Marshal(e)
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), b...), nil
}

// caller is one call's account and what is kept for it.
type caller struct {
	*Connector
	ctx  context.Context
	held *held
	a    provider.Account
}

// with runs f with a place in the account's pool.
func (c *Connector) with(ctx context.Context, a provider.Account, f func(*caller) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.callTimeout)
	defer cancel()
	h, err := c.enter(ctx, a.Key)
	if err != nil {
		return err
	}
	defer c.leave(a.Key, h, true)
	return unstale(f(&caller{c, ctx, h, a}))
}

// call runs one operation and answers its response messages, one for each thing asked about.
func (c *caller) call(operation any, limit int64, once bool) ([]message, error) {
	body, err := encode(operation)
	if err != nil {
		return nil, fault.New(fault.Internal, "ews_request", "").Because(err)
	}
	return c.ask(payload{before: body}, limit, once)
}

func (c *caller) ask(body payload, limit int64, once bool) ([]message, error) {
	r, err := c.send(c.ctx, c.held, c.a, body, limit, once)
	if err != nil {
		return nil, err
	}
	if err := status(r); err != nil {
		return nil, err
	}
	return decode(r)
}

// one is call for an operation about one thing. absent is what an unknown id means.
func (c *caller) one(operation any, limit int64, once bool, absent *fault.Error) (message, error) {
	body, err := encode(operation)
	if err != nil {
		return message{}, fault.New(fault.Internal, "ews_request", "").Because(err)
	}
	return c.only(payload{before: body}, limit, once, absent)
}

func (c *caller) only(body payload, limit int64, once bool, absent *fault.Error) (message, error) {
	all, err := c.ask(body, limit, once)
	if err != nil {
		return message{}, err
	}
	if len(all) != 1 {
		return message{}, errRefused.Because(errors.New("not one response message"))
	}
	return all[0], all[0].err(absent)
}

// err is the fault of a response message. A warning is no fault where it carries what was asked for.
func (m message) err(absent *fault.Error) error {
	if m.Class == "Success" && m.Code == "NoError" {
		return nil
	}
	return meaning(m.Code, backOff(m.Values), absent)
}

// backOff is how long the server wants to be left alone ("EWS throttling in Exchange": BackOffMilliseconds).
func backOff(all []value) time.Duration {
	for _, v := range all {
		if n, err := strconv.Atoi(v.Text); v.Name == "BackOffMilliseconds" && err == nil && n > 0 && n < 86_400_000 {
			return time.Duration(n) * time.Millisecond
		}
	}
	return 0
}

var (
	reference = regexp.MustCompile(`&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,9}));`)
	doctype   = []byte("<!DOCTYPE")
)

// readable takes out references to characters that XML does not have: Exchange writes them where a subject holds one, and then no
// reader would take the whole page of messages.
func readable(b []byte) []byte {
	return reference.ReplaceAllFunc(b, func(r []byte) []byte {
		sub := reference.FindSubmatch(r)
		digits, base := sub[1], 16
		if len(digits) == 0 {
			digits, base = sub[2], 10
		}
		n, err := strconv.ParseUint(string(digits), base, 32)
		if err == nil && (n == 9 || n == 10 || n == 13 || n >= 0x20 && n <= 0xD7FF || n >= 0xE000 && n <= 0xFFFD || n >= 0x10000 && n <= 0x10FFFF) {
			return r
		}
		return []byte("\uFFFD")
	})
}

// parse reads XML of a stranger: no document type, so no entities of its own (encoding/xml expands none either).
func parse(b []byte, into any) error {
	if bytes.Contains(b, doctype) {
		return errors.New("a document type in an answer")
	}
	return xml.Unmarshal(readable(b), into)
}

func decode(r reply) ([]message, error) {
	var a answer
	if err := parse(r.body, &a); err != nil {
		if r.status != http.StatusOK {
			return nil, errRefused.Because(errors.New("status " + strconv.Itoa(r.status)))
		}
		// Not the reader's own words: they quote what was sent.
		return nil, errNotExchange.Because(errors.New("the answer is not SOAP"))
	}
	if f := a.Body.Fault; f != nil {
		return nil, meaning(f.Code, backOff(f.Values), provider.ErrMessageNotFound)
	}
	if len(a.Body.Operation.Messages.All) == 0 {
		return nil, errRefused.Because(errors.New("no response message"))
	}
	return a.Body.Operation.Messages.All, nil
}
