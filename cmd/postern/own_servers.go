package main

import (
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ownServers are the host and port of the database, and of the key service where there is one. No address that somebody types in may lead there.
func ownServers(c *config, dsn string) []string {
	var list []string
	if at, err := pgx.ParseConfig(dsn); err == nil { // else it was said already that it is none
		add := func(host string, port uint16) {
			if host != "" && !strings.HasPrefix(host, "/") && !strings.HasPrefix(host, "@") { // a socket
				list = append(list, net.JoinHostPort(host, strconv.Itoa(int(port))))
			}
		}
		add(at.Host, at.Port)
		for _, next := range at.Fallbacks {
			add(next.Host, next.Port)
		}
	}
	for _, text := range []string{c.KeyURL, c.KeyURLBefore} {
		key, err := url.Parse(text)
		if err != nil {
			continue
		}
		address := ""
		switch key.Scheme {
		case "hashivault": // the variables are the service's own, read by its library
			address = os.Getenv("VAULT_SERVER_URL")
		case "awskms":
			if address = os.Getenv("AWS_ENDPOINT_URL_KMS"); address == "" {
				address = os.Getenv("AWS_ENDPOINT_URL")
			}
			if region := key.Query().Get("region"); address == "" && region != "" {
				address = "https://kms." + region + ".amazonaws.com"
			}
		}
		if at, err := url.Parse(address); err == nil && at.Hostname() != "" {
			port := at.Port()
			if port == "" {
				port = at.Scheme // the port of a scheme goes by its name
			}
			list = append(list, net.JoinHostPort(at.Hostname(), port))
		}
	}
	return list
}
