package sandbox

import (
	"crypto/subtle"
	"html/template"
	"net/http"
)

type page struct {
	Kind, Flow, Address, Name, Error string
	Scopes                           []pageScope
	People                           []pagePerson
	Password                         string
}

type pageScope struct {
	Name, Words string
	Always      bool
}

type pagePerson struct{ Address, Name string }

// No script, no style from elsewhere. There is no form-action on purpose: browsers apply it to the redirect that answers the form, and
// to those after it.
const csp = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

func (s *Server) page(w http.ResponseWriter, status int, p page) {
	for _, x := range people {
		p.People = append(p.People, pagePerson{x.address(), x.name})
	}
	p.Password = s.book.password()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", csp)
	w.WriteHeader(status)
	if err := pageTemplate.Execute(w, p); err != nil {
		s.log.Debug("sandbox page", "error", err)
	}
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>{{if eq .Kind "consent"}}Allow access{{else if eq .Kind "signin"}}Sign in{{else if eq .Kind "error"}}Cannot continue{{else}}Sandbox Mail{{end}} · Sandbox Mail</title>
<style>
:root{--bg:#f3f4f6;--card:#fff;--ink:#1f2937;--soft:#4b5563;--line:#6b7280;--rule:#d1d5db;--act:#1d4ed8;--on:#fff;--bad:#b91c1c}
@media (prefers-color-scheme:dark){:root{--bg:#111827;--card:#1f2937;--ink:#f3f4f6;--soft:#cbd5e1;--line:#94a3b8;--rule:#475569;--act:#93c5fd;--on:#0b1220;--bad:#fca5a5}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,sans-serif;display:flex;justify-content:center;padding:1rem}
main{background:var(--card);border:1px solid var(--rule);border-radius:.75rem;max-width:30rem;width:100%;padding:1.5rem;margin-top:4vh}
h1{font-size:1.375rem;line-height:1.3;margin:.25rem 0 1rem}p,li{color:var(--soft)}.brand{font-weight:600;color:var(--ink)}.bad{color:var(--bad)}
label{display:block;font-weight:600;margin:.75rem 0 .25rem}input[type=email],input[type=password]{width:100%;font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:.5rem;padding:.6rem .75rem;min-height:44px}
fieldset{border:0;padding:0;margin:0 0 1rem}legend{font-weight:600;padding:0}.scope{display:flex;gap:.75rem;align-items:flex-start;font-weight:400;padding:.65rem 0;margin:0;border-bottom:1px solid var(--rule);min-height:44px}.scope input{width:1.25rem;height:1.25rem;flex:none;margin-top:.15rem}.scope small{display:block;color:var(--soft)}
.row{display:flex;gap:.75rem;flex-wrap:wrap;margin-top:1.25rem}button{font:inherit;font-weight:600;min-height:44px;padding:.5rem 1.25rem;border-radius:.5rem;border:1px solid var(--act);background:var(--act);color:var(--on);cursor:pointer}button.plain{background:transparent;color:var(--act)}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}code{overflow-wrap:anywhere}ul{padding-left:1.25rem}hr{border:0;border-top:1px solid var(--rule);margin:1.25rem 0}
</style></head><body><main>
<p class="brand">Sandbox Mail</p>
{{if eq .Kind "signin"}}<h1>Sign in to your mailbox</h1>
{{if .Error}}<p class="bad" role="alert">{{.Error}}</p>{{end}}
<form method="post" action="/signin">
<input type="hidden" name="flow" value="{{.Flow}}">
<label for="address">Address</label><input id="address" type="email" name="address" value="{{.Address}}" required autocomplete="username" data-testid="sandbox-address">
<label for="password">Password</label><input id="password" type="password" name="password" required autocomplete="current-password" data-testid="sandbox-password">
<div class="row"><button type="submit" data-testid="sandbox-signin">Sign in</button></div>
</form><hr>
<p>Nobody here is real. These mailboxes exist:</p><ul>{{range .People}}<li><code>{{.Address}}</code></li>{{end}}</ul><p>Each opens with <code>{{.Password}}</code>.</p>
{{else if eq .Kind "consent"}}<h1>Allow this app to use {{.Address}}?</h1>
<p>An app asks for access to the mailbox of {{.Name}}. Untick what you do not want to allow.</p>
<form method="post" action="/consent">
<input type="hidden" name="flow" value="{{.Flow}}">
<fieldset><legend>It will be able to</legend>
{{range .Scopes}}<label class="scope"><input type="checkbox" name="scope" value="{{.Name}}" checked {{if .Always}}disabled{{end}} data-testid="sandbox-scope-{{.Name}}"><span>{{.Words}}<small>{{.Name}}{{if .Always}}, always asked for{{end}}</small></span></label>
{{end}}</fieldset>
<div class="row"><button type="submit" name="answer" value="allow" data-testid="sandbox-allow">Allow</button><button type="submit" name="answer" value="deny" class="plain" data-testid="sandbox-deny">Cancel</button></div>
</form>
{{else if eq .Kind "error"}}<h1>Cannot continue</h1><p role="alert" data-testid="sandbox-error">{{.Error}}</p>
{{else}}<h1>A mail provider to try things with</h1><p>Everything here is invented and stays on this machine.</p><ul>{{range .People}}<li>{{.Name}}, <code>{{.Address}}</code></li>{{end}}</ul>
{{end}}</main></body></html>
`))
