package ews

import (
	"net"
	"strings"
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
)

// Settings of an account at an Exchange server.
const (
	HostSetting = "ews_host"
	PortSetting = "ews_port" // 443
	pathSetting = "ews_path" // where it is not the usual one
	authSetting = "ews_auth" // ntlm or basic
	hostAlias   = "exchange_host"
)

// endpoint is where EWS is unless Autodiscover says otherwise.
const endpoint = "/EWS/Exchange.asmx"

// Config is what the connector needs. Guard is required.
type Config struct {
	Guard            *dial.Guard
	Now              func() time.Time // nil = time.Now; stamps what is sent
	AutodiscoverPort string           // 443
	IdleAfter        time.Duration    // a connection unused for so long is closed: a minute
	CallTimeout      time.Duration    // one call to a mailbox: 60 seconds
	CheckTimeout     time.Duration    // a whole live check: 45 seconds
}

// Connector is the Exchange connector. It is safe for concurrent use.
type Connector struct {
	guard                                *dial.Guard
	now                                  func() time.Time
	autodiscoverPort                     string
	idleAfter, callTimeout, checkTimeout time.Duration

	mu       sync.Mutex
	accounts map[string]*held
}

var (
	_ provider.Password       = (*Connector)(nil)
	_ provider.MessageLister  = (*Connector)(nil)
	_ provider.MessageReader  = (*Connector)(nil)
	_ provider.MessageUpdater = (*Connector)(nil)
	_ provider.MessageDeleter = (*Connector)(nil)
	_ provider.FolderLister   = (*Connector)(nil)
	_ provider.Sender         = (*Connector)(nil)
	_ provider.ThreadReader   = (*Connector)(nil)
	_ provider.ThreadWriter   = (*Connector)(nil)
	_ provider.DraftReader    = (*Connector)(nil)
	_ provider.DraftWriter    = (*Connector)(nil)
	_ provider.DraftSender    = (*Connector)(nil)
	_ provider.FolderWriter   = (*Connector)(nil)
)

// New makes the connector.
func New(c Config) *Connector {
	out := &Connector{guard: c.Guard, now: c.Now, autodiscoverPort: c.AutodiscoverPort, idleAfter: c.IdleAfter, callTimeout: c.CallTimeout, checkTimeout: c.CheckTimeout, accounts: map[string]*held{}}
	if out.now == nil {
		out.now = time.Now
	}
	if out.autodiscoverPort == "" {
		out.autodiscoverPort = "443"
	}
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{{&out.idleAfter, idleAfter}, {&out.callTimeout, time.Minute}, {&out.checkTimeout, 45 * time.Second}} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	return out
}

// Name implements provider.Connector.
func (c *Connector) Name() string { return "ews" }

// Label implements provider.Connector.
func (c *Connector) Label() string { return "Exchange" }

func addressOf(settings map[string]string) string {
	port := settings[PortSetting]
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(settings[HostSetting]), port)
}

func pathOf(settings map[string]string) string {
	if p := settings[pathSetting]; strings.HasPrefix(p, "/") {
		return p
	}
	return endpoint
}
