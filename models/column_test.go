package models_test

import (
	"slices"
	"testing"

	"github.com/postern-mail/postern/models"
)

func FuzzStrings(f *testing.F) {
	f.Add("a", `b"\,{}`, "")
	f.Add("NULL", "ü\n", " x ")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		in := models.Strings{a, b, c}
		literal, err := in.Value()
		if err != nil {
			t.Fatal(err)
		}
		var out models.Strings
		if err := out.Scan(literal); err != nil || !slices.Equal(in, out) {
			t.Fatalf("%q came back as %q, %v", in, out, err)
		}
	})
}
