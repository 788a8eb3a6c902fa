package v3

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// routes is everything that /v3 serves, with what a caller must hold. Where a step stands around the handler, it says who may call:
// keyed, an API key of the application; open, anybody, slowed down by address; shared, pages of registered browser origins too. What stands under
// /v3/admin is called by service accounts alone.
func (d *Door) routes() []web.Route {
	const (
		get, post, put, patch, remove, options = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions
	)
	k := d.keyed
	table := []web.Route{
		{Method: get, Path: "/v3", Permission: web.Public, Handler: d.open(d.root)},
		{Method: get, Path: "/v3/", Permission: web.Public, Handler: d.open(d.root)},
		{Method: get, Path: "/v3/openapi.yaml", Permission: web.Public, Handler: d.open(d.document)},

		{Method: get, Path: "/v3/connect/auth", Permission: web.Public, Handler: d.open(d.shared(d.connectAuth))},
		{Method: options, Path: "/v3/connect/auth", Permission: web.Public, Handler: d.open(d.preflight)},
		{Method: post, Path: "/v3/connect/token", Permission: web.Public, Handler: d.open(d.shared(d.connectToken)), BodyLimit: 64 << 10},
		{Method: options, Path: "/v3/connect/token", Permission: web.Public, Handler: d.open(d.preflight)},
		{Method: post, Path: "/v3/connect/revoke", Permission: web.Public, Handler: d.open(d.connectRevoke), BodyLimit: 64 << 10}, // proves its caller itself, to say no in OAuth's words
		{Method: get, Path: "/v3/connect/tokeninfo", Permission: web.Public, Handler: d.open(d.shared(d.connectTokeninfo))},
		{Method: options, Path: "/v3/connect/tokeninfo", Permission: web.Public, Handler: d.open(d.preflight)},
		{Method: post, Path: "/v3/connect/custom", Permission: models.WriteGrants, Handler: k(d.connectCustom), BodyLimit: 64 << 10},
		{Method: post, Path: "/v3/providers/detect", Permission: models.ReadConnectors, Handler: k(d.providerDetect)},

		{Method: get, Path: "/v3/applications", Permission: models.ReadApps, Handler: k(d.applicationShow)},
		{Method: patch, Path: "/v3/applications", Permission: models.WriteApps, Handler: k(d.applicationUpdate)},
		{Method: get, Path: "/v3/applications/:application", Permission: models.ReadApps, Handler: k(d.applicationShow)},
		{Method: patch, Path: "/v3/applications/:application", Permission: models.WriteApps, Handler: k(d.applicationUpdate)},

		{Method: get, Path: "/v3/connectors", Permission: models.ReadConnectors, Handler: k(d.connectorList)},
		{Method: post, Path: "/v3/connectors", Permission: models.WriteConnectors, Handler: k(d.connectorCreate)},
		{Method: get, Path: "/v3/connectors/:provider", Permission: models.ReadConnectors, Handler: k(d.connectorShow)},
		{Method: patch, Path: "/v3/connectors/:provider", Permission: models.WriteConnectors, Handler: k(d.connectorUpdate)},
		{Method: put, Path: "/v3/connectors/:provider", Permission: models.WriteConnectors, Handler: k(d.connectorUpdate)},
		{Method: remove, Path: "/v3/connectors/:provider", Permission: models.WriteConnectors, Handler: k(d.connectorDelete)},

		{Method: get, Path: "/v3/connectors/:provider/creds", Permission: models.ReadConnectors, Handler: k(d.credentialList)},
		{Method: post, Path: "/v3/connectors/:provider/creds", Permission: models.WriteConnectors, Handler: k(d.credentialCreate)},
		{Method: get, Path: "/v3/connectors/:provider/creds/:credential", Permission: models.ReadConnectors, Handler: k(d.credentialShow)},
		{Method: patch, Path: "/v3/connectors/:provider/creds/:credential", Permission: models.WriteConnectors, Handler: k(d.credentialUpdate)},
		{Method: remove, Path: "/v3/connectors/:provider/creds/:credential", Permission: models.WriteConnectors, Handler: k(d.credentialDelete)},

		{Method: get, Path: "/v3/grants", Permission: models.ReadGrants, Handler: k(d.grantList)},
		{Method: get, Path: "/v3/grants/:grant", Permission: models.ReadGrants, Handler: d.grantShow}, // "me" takes an access token
		{Method: patch, Path: "/v3/grants/:grant", Permission: models.WriteGrants, Handler: k(d.grantUpdate)},
		{Method: remove, Path: "/v3/grants/:grant", Permission: models.DeleteGrants, Handler: k(d.grantDelete)},

		{Method: get, Path: "/v3/grants/:grant/messages", Permission: models.ReadMessages, Handler: d.messageList},
		{Method: get, Path: "/v3/grants/:grant/messages/:message", Permission: models.ReadMessages, Handler: d.messageShow},
		{Method: put, Path: "/v3/grants/:grant/messages/:message", Permission: models.WriteMessages, Handler: d.messageUpdate},
		{Method: remove, Path: "/v3/grants/:grant/messages/:message", Permission: models.WriteMessages, Handler: d.messageDelete},
		{Method: post, Path: "/v3/grants/:grant/messages/send", Permission: models.SendMessages, Handler: d.messageSend, BodyLimit: sendBody},
		{Method: put, Path: "/v3/grants/:grant/messages/clean", Permission: models.ReadMessages, Handler: d.messageClean},
		{Method: get, Path: "/v3/grants/:grant/messages/schedules", Permission: models.SendMessages, Handler: d.scheduleList},
		{Method: get, Path: "/v3/grants/:grant/messages/schedules/:schedule", Permission: models.SendMessages, Handler: d.scheduleShow},
		{Method: remove, Path: "/v3/grants/:grant/messages/schedules/:schedule", Permission: models.SendMessages, Handler: d.scheduleDelete},
		{Method: get, Path: "/v3/grants/:grant/messages/:message/attachments/:attachment", Permission: models.ReadMessages, Handler: d.attachmentShow},
		{Method: get, Path: "/v3/grants/:grant/messages/:message/attachments/:attachment/download", Permission: models.ReadMessages, Handler: d.attachmentDownload},
		{Method: get, Path: "/v3/grants/:grant/attachments/:attachment", Permission: models.ReadMessages, Handler: d.attachmentShow},
		{Method: get, Path: "/v3/grants/:grant/attachments/:attachment/download", Permission: models.ReadMessages, Handler: d.attachmentDownload},
		{Method: get, Path: "/v3/grants/:grant/folders", Permission: models.ReadMessages, Handler: d.folderList},
		{Method: get, Path: "/v3/grants/:grant/folders/:folder", Permission: models.ReadMessages, Handler: d.folderShow},
		{Method: post, Path: "/v3/grants/:grant/folders", Permission: models.WriteMessages, Handler: d.folderCreate},
		{Method: put, Path: "/v3/grants/:grant/folders/:folder", Permission: models.WriteMessages, Handler: d.folderUpdate},
		{Method: remove, Path: "/v3/grants/:grant/folders/:folder", Permission: models.WriteMessages, Handler: d.folderDelete},
		{Method: get, Path: "/v3/grants/:grant/threads", Permission: models.ReadMessages, Handler: d.threadList},
		{Method: get, Path: "/v3/grants/:grant/threads/:thread", Permission: models.ReadMessages, Handler: d.threadShow},
		{Method: put, Path: "/v3/grants/:grant/threads/:thread", Permission: models.WriteMessages, Handler: d.threadUpdate},
		{Method: remove, Path: "/v3/grants/:grant/threads/:thread", Permission: models.WriteMessages, Handler: d.threadDelete},
		{Method: get, Path: "/v3/grants/:grant/drafts", Permission: models.ReadMessages, Handler: d.draftList},
		{Method: post, Path: "/v3/grants/:grant/drafts", Permission: models.WriteMessages, Handler: d.draftCreate, BodyLimit: sendBody},
		{Method: get, Path: "/v3/grants/:grant/drafts/:draft", Permission: models.ReadMessages, Handler: d.draftShow},
		{Method: put, Path: "/v3/grants/:grant/drafts/:draft", Permission: models.WriteMessages, Handler: d.draftUpdate, BodyLimit: sendBody},
		{Method: remove, Path: "/v3/grants/:grant/drafts/:draft", Permission: models.WriteMessages, Handler: d.draftDelete},
		{Method: post, Path: "/v3/grants/:grant/drafts/:draft", Permission: models.SendMessages, Handler: d.draftSend},

		{Method: get, Path: "/v3/admin/applications/:application/api-keys", Permission: models.ReadAPIKeys, Handler: d.keyList},
		{Method: post, Path: "/v3/admin/applications/:application/api-keys", Permission: models.CreateAPIKeys, Handler: d.keyCreate, BodyLimit: adminBody},
		{Method: get, Path: "/v3/admin/applications/:application/api-keys/:key", Permission: models.ReadAPIKeys, Handler: d.keyShow},
		{Method: remove, Path: "/v3/admin/applications/:application/api-keys/:key", Permission: models.DeleteAPIKeys, Handler: d.keyDelete},

		{Method: get, Path: "/v3/webhooks", Permission: models.ReadWebhooks, Handler: k(d.webhookList)},
		{Method: post, Path: "/v3/webhooks", Permission: models.WriteWebhooks, Handler: k(d.webhookCreate)},
		{Method: get, Path: "/v3/webhooks/ip-addresses", Permission: models.ReadWebhooks, Handler: k(d.webhookAddresses)},
		{Method: post, Path: "/v3/webhooks/mock-payload", Permission: models.ReadWebhooks, Handler: k(d.webhookMock)},
		{Method: post, Path: "/v3/webhooks/send-test-event", Permission: models.WriteWebhooks, Handler: k(d.webhookTest)},
		{Method: post, Path: "/v3/webhooks/rotate-secret/:webhook", Permission: models.WriteWebhooks, Handler: k(d.webhookRotate)},
		{Method: put, Path: "/v3/webhooks/:webhook/rotate-secret", Permission: models.WriteWebhooks, Handler: k(d.webhookRotate)},
		{Method: post, Path: "/v3/webhooks/:webhook/verifications", Permission: models.WriteWebhooks, Handler: k(d.webhookReport)},
		{Method: post, Path: "/v3/webhooks/:webhook/replays", Permission: models.WriteWebhooks, Handler: k(d.webhookReplay)},
		{Method: get, Path: "/v3/webhooks/:webhook/replays", Permission: models.ReadWebhooks, Handler: k(d.webhookReplays)},
		{Method: get, Path: "/v3/webhooks/:webhook/public-key", Permission: web.Public, Handler: d.open(d.webhookPublicKey)}, // receivers have no key
		{Method: get, Path: "/v3/webhooks/:webhook", Permission: models.ReadWebhooks, Handler: k(d.webhookShow)},
		{Method: put, Path: "/v3/webhooks/:webhook", Permission: models.WriteWebhooks, Handler: k(d.webhookUpdate)},
		{Method: remove, Path: "/v3/webhooks/:webhook", Permission: models.WriteWebhooks, Handler: k(d.webhookDelete)},
	}
	// One thing under two names: SDKs use the first, the command line client the second.
	for _, name := range []string{"redirect-uris", "callback-uris"} {
		path := "/v3/applications/" + name
		table = append(table,
			web.Route{Method: get, Path: path, Permission: models.ReadApps, Handler: k(d.callbackList)},
			web.Route{Method: post, Path: path, Permission: models.WriteApps, Handler: k(d.callbackAdd)},
			web.Route{Method: get, Path: path + "/:callback", Permission: models.ReadApps, Handler: k(d.callbackShow)},
			web.Route{Method: patch, Path: path + "/:callback", Permission: models.WriteApps, Handler: k(d.callbackUpdate)},
			web.Route{Method: remove, Path: path + "/:callback", Permission: models.WriteApps, Handler: k(d.callbackRemove)},
		)
	}
	for i, r := range table {
		table[i].Handler = readable(r.Handler)
		r = table[i]
		if operation := operationOf(r.Method, r.Path); operation != "" {
			table[i].Handler = d.ledgered(operation, r.Handler)
		}
	}
	return table
}

// readable refuses a query that cannot be read on every route, also on one that asks for nothing in it.
func readable(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().URL.RawQuery != "" {
			if q := queryOf(c); q.err != nil {
				return q.err
			}
		}
		return next(c)
	}
}

// root answers clients that look whether there is anybody.
func (d *Door) root(c echo.Context) error {
	return one(c, map[string]any{"name": "Postern", "api_version": "v3", "region": d.Region})
}
