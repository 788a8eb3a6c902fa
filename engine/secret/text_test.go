package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/secret"
)

// canary is what must never show; its hex form is looked for as well, because %x is a way out too.
const canary = "canary-value"

func TestTextNeverPrints(t *testing.T) {
	held := struct {
		Name  string
		Token secret.Text
		Ref   *secret.Text
	}{Name: "row", Token: secret.New(canary)}
	ref := secret.New(canary)
	held.Ref = &ref

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", held)
		fmt.Fprintf(&out, verb+"\n", held.Token)
		fmt.Fprintf(&out, verb+"\n", held.Ref)
	}
	encoded, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "token", held.Token, "held", held)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "token", held.Token, "held", held)
	fmt.Fprintln(&out, fmt.Errorf("wrapped: %w %v", fmt.Errorf("%v", held.Token), held.Token))

	for _, leak := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
		if strings.Contains(out.String(), leak) {
			t.Fatalf("the secret is readable in:\n%s", out.String())
		}
	}
	if held.Token.Reveal() != canary {
		t.Fatal("Reveal lost the value")
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"x", "x", true}, {"x", "y", false}, {"x", "xx", false}, {"", "", true}} {
		if got := secret.New(c.a).Equal(secret.New(c.b)); got != c.want {
			t.Errorf("Equal(%q, %q) = %v", c.a, c.b, got)
		}
	}
}
