package nylas

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
)

// Revoke implements provider.Revoker: the tokens first (POST /v3/connect/revoke, which takes them in the query and nowhere else), then the grant (DELETE /v3/grants/{id}), then
// the probe: the same grant must be answered with 404. Tokens that Nylas does not know are dead already; a grant that it does not know is gone already. A refused key is no
// answer: the connector can be corrected, and the severance stays on the list until then.
func (c *Connector) Revoke(ctx context.Context, app provider.App, t provider.Token) (provider.Revocation, error) {
	grant, client, refresh := stored(t.Refresh)
	if grant == "" {
		grant = t.Access.Reveal()
	}
	if !grantID(grant) {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "the stored connection names no grant"}, nil
	}
	if client != "" && client != app.ClientID {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "the connector belongs to another Nylas application now, whose key does not reach this grant"}, nil
	}
	k, err := c.bare(ctx, app, grant)
	if err != nil {
		return provider.Revocation{}, err
	}
	// Which of the keys is good? A grant that is gone is no hindrance.
	if _, err := k.find(); err != nil && !errors.Is(err, provider.ErrInvalidGrant) {
		return provider.Revocation{}, err
	}
	said := ""
	if refresh != "" {
		status, word, err := k.tell(request{method: http.MethodPost, path: "/v3/connect/revoke", query: url.Values{"token": {refresh}}})
		switch {
		case err != nil:
			return provider.Revocation{}, err
		case status == http.StatusUnauthorized:
			return provider.Revocation{}, errKey.Because(errors.New("401 " + word))
		}
		said = "tokens: " + answerOf(status, word) + "; "
	}
	status, word, err := k.tell(request{method: http.MethodDelete, path: "/v3/grants/" + grant})
	switch {
	case err != nil:
		return provider.Revocation{}, err
	case status == http.StatusUnauthorized:
		return provider.Revocation{}, errKey.Because(errors.New("401 " + word))
	case status != http.StatusNotFound && (status < 200 || status > 299):
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Status: status, Answer: said + "grant: " + answerOf(status, word)}, nil
	}
	r := provider.Revocation{Outcome: provider.SeveredVerified, Status: status, Answer: said + "grant: " + answerOf(status, word)}
	probe, word, err := k.tell(request{method: http.MethodGet, path: "/v3/grants/" + grant})
	switch {
	case err != nil:
		return provider.Revocation{}, err
	case probe != http.StatusNotFound:
		return provider.Revocation{}, errUpstream.Because(errors.New("the deleted grant was answered with " + strconv.Itoa(probe)))
	}
	r.ProbeAnswer = answerOf(probe, word)
	if status == http.StatusNotFound && !k.owned(client) {
		// To the key of another application every grant of this one is unknown: that is no proof.
		r.Outcome = provider.DeletedHereOnly
	}
	return r, nil
}

// owned says whether the key is surely one of the application client.
func (k *call) owned(client string) bool {
	var answer envelope[struct {
		ID string `json:"application_id"`
	}]
	return client != "" && k.ask(request{method: http.MethodGet, path: "/v3/applications"}, &answer) == nil && answer.Data.ID == client
}

// tell sends a request whose refusal is an answer, too. An error means that it is not known whether Nylas heard.
func (k *call) tell(r request) (status int, word string, err error) {
	res, err := k.once(k.c.tokenHTTP, r)
	if err != nil {
		return 0, "", err
	}
	body, err := dial.Body(res)
	if err != nil {
		return 0, "", errUpstream.Because(err)
	}
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 {
		return 0, "", errUpstream.RetryAfter(k.c.after(res)).Because(errors.New("status " + strconv.Itoa(res.StatusCode)))
	}
	return res.StatusCode, wordOf(body), nil
}

func answerOf(status int, word string) string {
	if word == "" {
		word = http.StatusText(status)
	}
	return strconv.Itoa(status) + " " + word
}
