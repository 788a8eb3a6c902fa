package v3_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	v3 "github.com/postern-mail/postern/handlers/v3"
	"github.com/postern-mail/postern/web"
)

// document is openapi.yaml as plain maps.
var document = sync.OnceValue(func() map[string]any {
	var doc map[string]any
	if err := yaml.Unmarshal(v3.Document(), &doc); err != nil {
		panic(err)
	}
	return doc
})

// at follows keys and references.
func at(value any, keys ...string) any {
	for _, key := range keys {
		m, ok := resolve(value).(map[string]any)
		if !ok {
			return nil
		}
		value = m[key]
	}
	return resolve(value)
}

func resolve(value any) any {
	for {
		m, ok := value.(map[string]any)
		if !ok {
			return value
		}
		ref, ok := m["$ref"].(string)
		if !ok {
			return value
		}
		value = at(document(), strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		if value == nil {
			panic("nothing is at " + ref)
		}
	}
}

var routeParam = regexp.MustCompile(`:(\w+)`)

// TestRoutesAndDocumentAgree holds them against each other both ways, permissions and path parameters included.
func TestRoutesAndDocumentAgree(t *testing.T) {
	w := newWorld(t)
	served := map[string]bool{}
	for _, r := range w.routes {
		if r.Door != "v3" || r.Method == "OPTIONS" {
			continue
		}
		path := routeParam.ReplaceAllString(r.Path, "{$1}")
		name := r.Method + " " + path
		served[name] = true
		op, ok := at(document(), "paths", path, strings.ToLower(r.Method)).(map[string]any)
		if !ok {
			t.Errorf("%s is served and not in openapi.yaml", name)
			continue
		}
		permission, _ := op["x-permission"].(string)
		if r.Permission == web.Public {
			if path != "/v3/connect/revoke" && (permission != "" || op["security"] == nil) {
				t.Errorf("%s is open, and the document asks for %q", name, permission)
			}
		} else if permission != string(r.Permission) {
			t.Errorf("%s asks for %s, the document says %q", name, r.Permission, permission)
		}
		inPath := map[string]bool{}
		parameters, _ := op["parameters"].([]any)
		for _, p := range parameters {
			if at(p, "in") == "path" {
				inPath[at(p, "name").(string)] = true
			}
		}
		for _, found := range routeParam.FindAllStringSubmatch(r.Path, -1) {
			if !inPath[found[1]] {
				t.Errorf("%s: the path parameter %s is not in the document", name, found[1])
			}
			delete(inPath, found[1])
		}
		for left := range inPath {
			t.Errorf("%s: the document has a path parameter %s", name, left)
		}
	}
	for path, item := range at(document(), "paths").(map[string]any) {
		for method := range resolve(item).(map[string]any) {
			if name := strings.ToUpper(method) + " " + path; !served[name] {
				t.Errorf("%s is in openapi.yaml and not served", name)
			}
		}
	}
}

// agrees holds one answer against the document; every request of this package's tests goes through it.
func (w *world) agrees(c call, a answer) {
	w.t.Helper()
	path, query, _ := strings.Cut(c.path, "?")
	op := operation(c.method, path)
	if op == nil || a.json == nil {
		return // an unknown address or method has no operation; redirects, pages and the document itself have no JSON
	}
	response := at(op, "responses", fmt.Sprint(a.status))
	if response == nil {
		if a.status < 400 {
			w.t.Errorf("%s %s answers %d, which is not in openapi.yaml", c.method, path, a.status)
			return
		}
		response = at(op, "responses", "default")
	}
	schema := at(response, "content", "application/json", "schema")
	if schema == nil {
		w.t.Errorf("%s %s answers %d with JSON; openapi.yaml has no schema for it", c.method, path, a.status)
		return
	}
	for _, fault := range check(schema, a.json, "", strings.Contains(query, "select=") || strings.Contains(query, "fields=raw_mime")) {
		w.t.Errorf("%s %s, %d: %s", c.method, path, a.status, fault)
	}
}

func operation(method, path string) map[string]any {
	var best map[string]any
	fewest := -1
	for template, item := range at(document(), "paths").(map[string]any) {
		want, got := strings.Split(template, "/"), strings.Split(path, "/")
		if len(want) != len(got) {
			continue
		}
		params, fits := 0, true
		for i := range want {
			if strings.HasPrefix(want[i], "{") {
				params++
			} else if want[i] != got[i] {
				fits = false
			}
		}
		op, _ := at(item, strings.ToLower(method)).(map[string]any)
		if fits && op != nil && (fewest < 0 || params < fewest) {
			best, fewest = op, params
		}
	}
	return best
}

// check is as much of JSON Schema as openapi.yaml uses. With partial, fields below data may be missing: select and raw_mime leave them out. Otherwise every field that the strictest client's decoder demands is required (contract, trap 10).
func check(schema, value any, where string, partial bool) []string {
	schema = resolve(schema)
	var faults []string
	say := func(format string, args ...any) { faults = append(faults, where+": "+fmt.Sprintf(format, args...)) }
	if words, ok := at(schema, "enum").([]any); ok && !slices.Contains(words, value) {
		say("%v is none of %v", value, words)
	}
	switch kind := at(schema, "type"); v := value.(type) {
	case map[string]any:
		if kind != "object" {
			say("is an object, not %v", kind)
			break
		}
		if required, ok := at(schema, "required").([]any); ok && (!partial || where == "") {
			for _, name := range required {
				if _, there := v[name.(string)]; !there {
					say("%s is missing", name)
				}
			}
		}
		properties, _ := at(schema, "properties").(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if property, known := properties[name]; known {
				faults = append(faults, check(property, v[name], where+"."+name, partial)...)
			} else if at(schema, "additionalProperties") == false {
				say("%s is not in the document", name)
			}
		}
	case []any:
		if kind != "array" {
			say("is a list, not %v", kind)
			break
		}
		for i, item := range v {
			faults = append(faults, check(at(schema, "items"), item, fmt.Sprintf("%s[%d]", where, i), partial)...)
		}
	case string:
		if kind != "string" {
			say("is a text, not %v", kind)
		}
	case bool:
		if kind != "boolean" {
			say("is %t, not %v", v, kind)
		}
	case float64:
		if kind != "integer" && kind != "number" || kind == "integer" && v != float64(int64(v)) {
			say("is %v, not %v", v, kind)
		}
	default:
		say("is %T: nothing here is ever null", value)
	}
	return faults
}

func TestTheCheckTurnsRed(t *testing.T) {
	grant := at(document(), "components", "schemas", "Grant")
	for what, value := range map[string]any{"empty": map[string]any{}, "a list": []any{}, "null": nil, "a text": "x"} {
		if len(check(grant, value, "", false)) == 0 {
			t.Errorf("%s passes for a grant", what)
		}
	}
	done := at(document(), "components", "responses", "Done", "content", "application/json", "schema")
	if got := check(done, map[string]any{"request_id": "x"}, "", false); len(got) != 0 {
		t.Error(got)
	}
	if got := check(done, map[string]any{"request_id": "x", "more": 1.0}, "", false); len(got) != 1 {
		t.Error(got)
	}
}
