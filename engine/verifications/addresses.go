package verifications

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/secret"
)

// askTimeout bounds the question to a sender.
const askTimeout = 10 * time.Second

// ask gets the addresses of a v3 sender, through the egress guard. server is its base address; a path in it is kept, a query or a user is refused.
func (s *Service) ask(ctx context.Context, server string, key secret.Text) ([]string, error) {
	base, err := url.Parse(strings.TrimSpace(server))
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, errFetch.Because(errors.New("not a base address"))
	}
	if s.guard == nil {
		return nil, errFetch.Because(errors.New("no way out is configured"))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("/v3/webhooks/ip-addresses").String(), nil)
	if err != nil {
		return nil, errFetch.Because(errors.New("not a base address"))
	}
	r.Header.Set("Authorization", "Bearer "+key.Reveal())
	r.Header.Set("Accept", "application/json")
	answer, err := s.guard.HTTPClient(dial.Provider, askTimeout).Do(r)
	if err != nil {
		return nil, errFetch.Because(dial.WithoutURL(err))
	}
	body, err := dial.Body(answer)
	if err != nil {
		return nil, errFetch.Because(err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errFetch.Because(fmt.Errorf("it answered %d", answer.StatusCode))
	}
	var told struct {
		Data struct {
			Addresses []string `json:"ip_addresses"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &told) != nil || len(told.Data.Addresses) == 0 {
		return nil, errFetch.Because(errors.New("it named no addresses"))
	}
	return told.Data.Addresses, nil
}
