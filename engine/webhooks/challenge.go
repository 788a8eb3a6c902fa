package webhooks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
)

const maxURL = 2000

// errUnverified is one answer for a receiver that is down, forbidden or wrong: whoever may name an address must not learn from the answer
// what our network looks like.
var errUnverified = fault.New(fault.Invalid, "webhook_unverified",
	"The address did not prove that it wants events: it must answer a GET with ?challenge=... within 10 seconds with status 200 and the bare value as the whole body.").At("webhook_url")

func errURL(public string) error {
	return fault.New(fault.Invalid, "webhook_url_invalid", public).At("webhook_url")
}

// checkURL looks at the spelling only. Where the name leads is decided by the guard, at each connection anew.
func (s *Service) checkURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errURL("Give the address that events are to be sent to.")
	case len(text) > maxURL:
		return nil, errURL(fmt.Sprintf("The address may have %d characters at most.", maxURL))
	case err != nil || u.Host == "" || u.Hostname() == "" || strings.ContainsAny(text, " \t\r\n"):
		return nil, errURL("This is not a web address. It looks like https://example.com/hooks.")
	case u.Scheme != "https" && (u.Scheme != "http" || !s.plain):
		return nil, errURL("The address must begin with https://.")
	case u.User != nil:
		return nil, errURL("Leave user name and password out of the address: Postern proves itself by its signature.")
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, errURL("Leave out everything from the # on: it is never sent to a server.")
	}
	return u, nil
}

// challenge asks the address, once, whether it wants events. It is called with no transaction open.
func (s *Service) challenge(ctx context.Context, text string) error {
	u, err := s.checkURL(text)
	if err != nil {
		return err
	}
	value := rand.Text()
	query := "challenge=" + value
	if u.RawQuery != "" {
		query = u.RawQuery + "&" + query
	}
	u.RawQuery = query
	ctx, cancel := context.WithTimeout(ctx, challengeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return errURL("This is not a web address. It looks like https://example.com/hooks.")
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := s.prober.Do(req)
	if err != nil {
		return errUnverified.Because(dial.WithoutURL(err))
	}
	body, err := dial.Body(resp)
	switch {
	case err != nil:
		return errUnverified.Because(err)
	case resp.StatusCode != http.StatusOK:
		return errUnverified.Because(fmt.Errorf("status %d", resp.StatusCode))
	case string(body) != value:
		return errUnverified.Because(errors.New("another body than the challenge"))
	}
	return nil
}
