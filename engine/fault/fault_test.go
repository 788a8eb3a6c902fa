package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern-mail/postern/engine/fault"
)

func TestErrorKeepsItsNature(t *testing.T) {
	base := fault.New(fault.Conflict, "grant_already_revoked", "%s was already cut off.", "ada@example.com")
	err := fmt.Errorf("revoke: %w", base.Because(errors.New("0 rows")))

	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("kind = %v", fault.KindOf(err))
	}
	if !errors.Is(err, base) {
		t.Error("a copy with a cause no longer matches its original")
	}
	if errors.Is(err, fault.New(fault.Conflict, "other", "")) {
		t.Error("another code matches")
	}
	if base.Unwrap() != nil {
		t.Error("Because changed the original")
	}
	if fault.KindOf(errors.New("plain")) != fault.Internal {
		t.Error("a plain error is not internal")
	}
}
