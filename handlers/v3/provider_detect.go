package v3

import (
	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/web"
)

// providerDetect takes its parameters from the query of a POST and wants no body (contract, trap 8).
func (d *Door) providerDetect(c echo.Context) error {
	q := queryOf(c)
	email, all := q.text("email"), q.is("all_provider_types")
	if email == "" {
		q.wrong("email", "email is missing.")
	}
	if q.err != nil {
		return q.err
	}
	actor := web.Actor(c)
	if err := d.detects.take(actor.Application.String()); err != nil {
		return err
	}
	found, err := d.Grants.Detect(c.Request().Context(), actor, email, all)
	if err != nil {
		return err
	}
	data := map[string]any{"email_address": found.Address, "detected": found.Known}
	if found.Provider != "" {
		data["provider"] = found.Provider
	}
	if found.Type != "" {
		data["type"] = found.Type
	}
	return one(c, data)
}
