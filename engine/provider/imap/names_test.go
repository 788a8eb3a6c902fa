package imap_test

import (
	"context"
	"fmt"
	"net"
	"testing"
)

// Folder names travel in modified UTF-7 (RFC 3501 section 5.1.3) and are shown as people wrote them.
func TestFolderNamesInModifiedUTF7(t *testing.T) {
	names := []string{"INBOX", "Entw&APw-rfe", "&ZeVnLIqe-", "Q&-A", `Caf\\&AOk-`, "&2D3eAA-", "&Jjo-/&2DzfgA-", "After"}
	e := serve(t, polite("LIST", func(c net.Conn, tag string) {
		for _, n := range names {
			fmt.Fprintf(c, "* LIST () \"/\" \"%s\"\r\n", n)
		}
		fmt.Fprintf(c, "%s OK done\r\n", tag)
	}))
	folders, err := small(guard()).ListFolders(context.Background(), evilAccount(e))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range folders {
		seen[f.Name] = true
	}
	for _, want := range []string{"INBOX", "Entw\u00fcrfe", "\u65e5\u672c\u8a9e", "Q&A", "Caf\\\u00e9", "\U0001F600", "After"} {
		if !seen[want] {
			t.Errorf("%q is not among %v", want, seen)
		}
	}
	if len(folders) != len(names) {
		t.Errorf("%d folders of %d", len(folders), len(names))
	}
}
