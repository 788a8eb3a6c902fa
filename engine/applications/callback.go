package applications

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// maxCallbacks bounds the live callback URIs of one application.
const maxCallbacks = 100

// Platforms are where a callback URI can live, in the words of the v3 API.
var platforms = []string{"web", "desktop", "js", "ios", "android"}

// Platforms is the platforms of callback URIs, web first.
func Platforms() []string { return slices.Clone(platforms) }

var (
	errPlatform = fault.New(fault.Invalid, "platform_invalid", "platform is web, desktop, js, ios or android.").At("platform")
	errCallback = fault.New(fault.Invalid, "callback_uri_invalid", "A callback URI is an absolute address of plain ASCII characters, at most 2000 of them, without spaces, user name or fragment.").At("url")
	errPlain    = fault.New(fault.Invalid, "callback_uri_insecure", "A callback URI uses https. Plain http is taken for localhost and loopback addresses only.").At("url")
	errScheme   = fault.New(fault.Invalid, "callback_uri_scheme", "Only the platforms ios and android may use a scheme of their own, and it must not be one that browsers give a meaning to.").At("url")
	errTwice    = fault.New(fault.Conflict, "callback_uri_exists", "This callback URI is registered already.").At("url")
	errMany     = fault.New(fault.Invalid, "callback_uris_too_many", "An application has at most %d callback URIs. Remove one that is no longer used.", maxCallbacks).At("url")
	errOrigin   = fault.New(fault.Invalid, "origin_invalid", "settings.origin is scheme, host and port alone, such as https://app.example.com.").At("settings.origin")
)

// Callback is a callback URI to be registered.
type Callback struct {
	URL      string          // kept and compared byte for byte
	Platform string          // empty: web
	Settings models.Settings // origin for js; bundle_id, app_store_id, team_id for ios; package_name, sha1_certificate_fingerprint for android
}

// CallbackChange is what to alter of a callback URI. A nil field stays; settings are replaced whole.
type CallbackChange struct {
	URL      *string
	Platform *string
	Settings models.Settings
}

// CallbackURIs is the live callback URIs of an application, the oldest first.
func (s *Service) CallbackURIs(ctx context.Context, actor models.Actor, application models.ApplicationID) ([]models.CallbackURI, error) {
	var list []models.CallbackURI
	err := s.in(ctx, actor, models.ReadApps, application, func(tx *store.Tx) (err error) { list, err = tx.CallbackURIs(application); return err })
	return list, err
}

// CallbackURI is one live callback URI.
func (s *Service) CallbackURI(ctx context.Context, actor models.Actor, application models.ApplicationID, id models.CallbackID) (models.CallbackURI, error) {
	var c models.CallbackURI
	err := s.in(ctx, actor, models.ReadApps, application, func(tx *store.Tx) (err error) { c, err = tx.CallbackURI(application, id); return err })
	return c, err
}

// AddCallbackURI registers a callback URI. The same bytes cannot be registered twice, for two platforms neither: the platform decides
// whether a code is redeemed with a secret, so that it must not be in doubt.
func (s *Service) AddCallbackURI(ctx context.Context, actor models.Actor, application models.ApplicationID, c Callback) (models.CallbackURI, error) {
	at := s.now().UTC()
	row := models.CallbackURI{ApplicationID: application, ID: models.NewID[models.CallbackID](at), URL: c.URL, Platform: c.Platform, Settings: c.Settings, CreatedAt: at}
	if row.Platform == "" {
		row.Platform = "web"
	}
	if err := settle(&row); err != nil {
		return models.CallbackURI{}, err
	}
	err := s.change(ctx, actor, models.WriteApps, application, func(tx *store.Tx) error {
		if _, err := tx.ApplicationForUpdate(application); err != nil { // so that two at once cannot both find it free
			return err
		}
		list, err := tx.CallbackURIs(application)
		if err != nil {
			return err
		}
		if len(list) >= maxCallbacks {
			return errMany
		}
		if taken(list, row) {
			return errTwice
		}
		if err := tx.InsertCallbackURI(row); err != nil {
			return err
		}
		said := entry("callback_uri.add", application, "callback_uri", row.ID.String(), row.URL)
		said.Detail["platform"] = row.Platform
		return s.audit.Append(ctx, tx, actor, said)
	})
	if err != nil {
		return models.CallbackURI{}, err
	}
	return row, nil
}

// UpdateCallbackURI alters a callback URI and answers it as it then is. A flow that is under way keeps the address it began with.
func (s *Service) UpdateCallbackURI(ctx context.Context, actor models.Actor, application models.ApplicationID, id models.CallbackID, c CallbackChange) (models.CallbackURI, error) {
	var row models.CallbackURI
	err := s.change(ctx, actor, models.WriteApps, application, func(tx *store.Tx) error {
		if _, err := tx.ApplicationForUpdate(application); err != nil {
			return err
		}
		var err error
		if row, err = tx.CallbackURI(application, id); err != nil {
			return err
		}
		before := row.URL
		if c.URL != nil {
			row.URL = *c.URL
		}
		if c.Platform != nil {
			row.Platform = *c.Platform
		}
		if c.Settings != nil {
			row.Settings = c.Settings
		}
		if err := settle(&row); err != nil {
			return err
		}
		list, err := tx.CallbackURIs(application)
		if err != nil {
			return err
		}
		if taken(list, row) {
			return errTwice
		}
		if err := tx.ChangeCallbackURI(row); err != nil {
			return err
		}
		said := entry("callback_uri.update", application, "callback_uri", id.String(), row.URL)
		said.Detail["platform"] = row.Platform
		if before != row.URL {
			said.Detail["before"] = before
		}
		return s.audit.Append(ctx, tx, actor, said)
	})
	if err != nil {
		return models.CallbackURI{}, err
	}
	return row, nil
}

// RemoveCallbackURI ends a callback URI: from here no consent returns to it.
func (s *Service) RemoveCallbackURI(ctx context.Context, actor models.Actor, application models.ApplicationID, id models.CallbackID) error {
	return s.change(ctx, actor, models.WriteApps, application, func(tx *store.Tx) error {
		row, err := tx.CallbackURI(application, id)
		if err != nil {
			return err
		}
		if err := tx.MarkCallbackURIDeleted(application, id, s.now().UTC()); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, entry("callback_uri.remove", application, "callback_uri", id.String(), row.URL))
	})
}

func taken(list []models.CallbackURI, row models.CallbackURI) bool {
	return slices.ContainsFunc(list, func(c models.CallbackURI) bool { return c.URL == row.URL && c.ID != row.ID })
}

// settle checks a callback URI and brings its settings to what its platform knows.
func settle(c *models.CallbackURI) error {
	if !slices.Contains(platforms, c.Platform) {
		return errPlatform
	}
	u, err := checkCallback(c.URL, c.Platform)
	if err != nil {
		return err
	}
	c.Settings, err = callbackSettings(c.Platform, c.Settings, u)
	return err
}

// checkCallback judges the address. It is parsed to be judged only; what is kept are the caller's bytes.
func checkCallback(raw, platform string) (*url.URL, error) {
	if raw == "" || len(raw) > 2000 || strings.ContainsFunc(raw, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '\\' || r == '#' || r == '"' || r == '<' || r == '>'
	}) {
		return nil, errCallback
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.User != nil {
		return nil, errCallback
	}
	switch u.Scheme { // url.Parse has lowered it
	case "https":
	case "http":
		if !loopback(u.Hostname()) {
			return nil, errPlain
		}
	default:
		if platform != "ios" && platform != "android" || slices.Contains(browserSchemes, u.Scheme) {
			return nil, errScheme
		}
		return u, nil
	}
	if u.Hostname() == "" || u.Opaque != "" || strings.Contains(u.Host, "%") {
		return nil, errCallback
	}
	return u, nil
}

// browserSchemes act in the browser that is sent there, instead of opening an app.
var browserSchemes = []string{"about", "blob", "chrome", "data", "file", "filesystem", "ftp", "intent", "javascript", "mailto", "resource", "sms", "tel", "vbscript", "view-source", "ws", "wss"}

// loopback: RFC 8252 section 7.3 prefers the addresses; clients use the name too.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

var errSettings = errors.New("settings")

// callbackSettings keeps what the platform knows and drops the rest. js without an origin takes the callback's own.
func callbackSettings(platform string, given models.Settings, u *url.URL) (models.Settings, error) {
	kept := models.Settings{}
	keep := func(must string, keys ...string) error {
		for _, k := range keys {
			if v := given[k]; v != "" {
				if !oneLine(v, 1, 500) {
					return errText.At("settings." + k)
				}
				kept[k] = v
			}
		}
		if len(given) > 0 && kept[must] == "" {
			return fault.New(fault.Invalid, "setting_missing", "settings.%s is missing.", must).At("settings." + must).Because(errSettings)
		}
		return nil
	}
	switch platform {
	case "js":
		origin := given["origin"]
		if origin == "" {
			origin = u.Scheme + "://" + u.Host
		}
		o, err := url.Parse(origin)
		if err != nil || o.Host == "" || o.User != nil || o.Scheme+"://"+o.Host != origin || (o.Scheme != "https" && (o.Scheme != "http" || !loopback(o.Hostname()))) {
			return nil, errOrigin
		}
		kept["origin"] = strings.ToLower(origin)
		return kept, nil
	case "ios":
		return kept, keep("bundle_id", "bundle_id", "app_store_id", "team_id")
	case "android":
		return kept, keep("package_name", "package_name", "sha1_certificate_fingerprint")
	default:
		return kept, nil
	}
}

// webLink: empty, or an https address that a page may link to.
func webLink(raw string) bool {
	if raw == "" {
		return true
	}
	u, err := url.Parse(raw)
	return err == nil && len(raw) <= 2000 && oneLine(raw, 1, 2000) && u.User == nil && u.Host != "" &&
		(u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()))
}

// OriginRegistered says whether a browser page at the origin may call the token endpoints: some application has a js callback URI there.
// It takes no actor, because a preflight request carries nothing to know one by; its answer is public by its nature.
func (s *Service) OriginRegistered(ctx context.Context, origin string) (bool, error) {
	if origin == "" || len(origin) > 300 {
		return false, nil
	}
	var there bool
	err := s.store.OnPlatform(ctx, "is a browser origin registered", func(tx *store.Tx) (err error) {
		there, err = tx.OriginRegistered(strings.ToLower(origin))
		return err
	})
	return there, err
}
