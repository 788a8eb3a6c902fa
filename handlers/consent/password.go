package consent

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/consent"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// password shows the form of a provider that has no consent page of its own.
func (d *Door) password(c echo.Context) error {
	id, err := web.ParamID[models.FlowID](c, "flow")
	if err != nil {
		return err
	}
	return d.passwordForm(c, http.StatusOK, id, nil)
}

// passwordSubmit tries what was typed, live. What does not work comes back with the form, everything kept but the password.
func (d *Door) passwordSubmit(c echo.Context) error {
	id, err := web.ParamID[models.FlowID](c, "flow")
	if err != nil {
		return err
	}
	login := grants.PasswordLogin{Flow: id, Browser: d.held(c), Address: strings.TrimSpace(c.FormValue("address")), Username: strings.TrimSpace(c.FormValue("username")),
		Password: secret.New(c.FormValue("password")), Settings: map[string]string{}}
	for form, setting := range map[string]string{"imap_host": "imap_host", "imap_port": "imap_port", "imap_security": "imap_tls", "smtp_host": "smtp_host", "smtp_port": "smtp_port",
		"smtp_security": "smtp_tls", "exchange_host": "ews_host"} {
		if value := strings.TrimSpace(c.FormValue(form)); value != "" {
			login.Settings[setting] = value
		}
	}
	if login.Settings["imap_host"] == "" && login.Settings["ews_host"] == "" { // a port or protection alone says nothing: the servers are looked for
		login.Settings = map[string]string{}
	}
	done, err := d.Grants.Submit(c.Request().Context(), login)
	if mistakes, ok := formErrors(err); ok {
		return d.passwordForm(c, http.StatusUnprocessableEntity, id, mistakes)
	}
	if err != nil {
		return err
	}
	if done.Outcome == grants.WrongAccount && done.RedirectURL == "" {
		return d.wrongAccount(c, done)
	}
	return d.finish(c, done)
}

func (d *Door) passwordForm(c echo.Context, status int, id models.FlowID, mistakes []ui.ErrorView) error {
	asked, f, err := d.Grants.FormOf(c.Request().Context(), id, d.held(c))
	if err != nil {
		return err
	}
	allowTargets(c, asked)
	address := f.LoginHint
	if typed := c.FormValue("address"); typed != "" {
		address = typed
	}
	for i := range mistakes { // the form's own names for the servers' fields
		switch mistakes[i].Field {
		case "imap_tls":
			mistakes[i].Field = "imap_security"
		case "smtp_tls":
			mistakes[i].Field = "smtp_security"
		}
	}
	v := guidance(f.Provider, asked.Application.Name)
	v.Ask, v.Provider, v.Address, v.Fixed, v.Username = d.ask(asked), d.label(asked, f.Provider), address, f.ExpectedEmail != "", c.FormValue("username")
	v.Action, v.CancelURL, v.Errors = flowPath(id)+"/password", flowPath(id)+"/cancel", mistakes
	if v.Servers.Ask {
		v.Servers = consent.ServersView{Ask: true, Open: len(mistakes) > 0, IMAPHost: c.FormValue("imap_host"), IMAPPort: c.FormValue("imap_port"), IMAPSecurity: security(c.FormValue("imap_security")),
			SMTPHost: c.FormValue("smtp_host"), SMTPPort: c.FormValue("smtp_port"), SMTPSecurity: security(c.FormValue("smtp_security"))}
	}
	v.Exchange = c.FormValue("exchange_host")
	return web.Render(c, status, consent.Password(d.page(c, v.Title, false), v))
}

// guidance is what the form of each provider says and asks.
func guidance(name, application string) consent.PasswordView {
	reach := "A password opens the whole mailbox. " + application + " never gets it, and can do only what is listed here."
	switch name {
	case "icloud":
		return consent.PasswordView{Title: "Connect your iCloud mailbox", PasswordName: "App-specific password", PasswordHelp: "It looks like abcd-efgh-ijkl-mnop. Your Apple Account password does not work here.",
			Guidance:    []string{"Open your Apple Account page and sign in.", "Go to Sign-In and Security, then App-Specific Passwords, and make one. Name it after " + application + ".", "Copy it here. You can remove it on the same page at any time.", reach},
			GuidanceURL: "https://account.apple.com/", GuidanceText: "Open account.apple.com"}
	case "ews":
		return consent.PasswordView{Title: "Connect your Exchange mailbox", PasswordName: "Password", PasswordHelp: "The one you sign in to Exchange with.", AskUsername: true, AskExchange: true,
			Guidance: []string{"This is for an Exchange server that your organisation runs itself. A mailbox in Microsoft 365 is connected through Microsoft.",
				"Leave the server empty and we look for it by your address; if it is not found, ask your administrator for its name.", reach}}
	default:
		return consent.PasswordView{Title: "Connect your mailbox", PasswordName: "Password", AskUsername: true, Servers: consent.ServersView{Ask: true},
			PasswordHelp: "Use an app password if your provider offers one: it opens mail and nothing else, and can be withdrawn alone.",
			Guidance: []string{reach, "Type the address of the mailbox and its password. We look for its mail server and try both before anything is kept.",
				"If the server is not found, open the server settings and type what your provider or administrator gives for IMAP and SMTP."}}
	}
}

func security(chosen string) []ui.OptionView {
	return []ui.OptionView{{Value: "tls", Label: "TLS", Selected: chosen != "starttls"}, {Value: "starttls", Label: "STARTTLS", Selected: chosen == "starttls"}}
}
