package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	canBegin = "<!-- what connectors can: begin -->\n"
	canEnd   = "<!-- what connectors can: end -->"
)

// abilities is what a connector may be able to do, each by the interface that it then has.
var abilities = []struct {
	words string
	has   func(provider.Connector) bool
}{
	{"consent at the provider", able[provider.OAuth]},
	{"connect by password, tried live", able[provider.Password]},
	{"take over what is connected there", able[provider.Adopter]},
	{"open mailboxes by a service account", able[provider.Delegate]},
	{"list and search messages", able[provider.MessageLister]},
	{"read messages", able[provider.MessageReader]},
	{"read attachments", able[provider.AttachmentReader]},
	{"mark and move messages", able[provider.MessageUpdater]},
	{"delete messages", able[provider.MessageDeleter]},
	{"send", able[provider.Sender]},
	{"list folders", able[provider.FolderLister]},
	{"make, rename, move, delete folders", able[provider.FolderWriter]},
	{"list and read threads", able[provider.ThreadReader]},
	{"change and delete threads", able[provider.ThreadWriter]},
	{"list and read drafts", able[provider.DraftReader]},
	{"write drafts", able[provider.DraftWriter]},
	{"send drafts", able[provider.DraftSender]},
	{"watched, for events of messages and folders", able[provider.Watcher]},
	{"be told of a revocation", able[provider.Revoker]},
}

func able[T any](c provider.Connector) bool { _, ok := c.(T); return ok }

// canTable says what each connector can do, in Markdown.
func canTable() string {
	var b strings.Builder
	connectors := reach(dial.New(dial.Config{}), providers{})
	b.WriteString("| |")
	for _, c := range connectors {
		// IMAP's label is "IMAP", Exchange's "Exchange": the words of the connect page.
		b.WriteString(" " + c.Label() + " |")
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(connectors)) + "\n")
	for _, a := range abilities {
		b.WriteString("| " + a.words + " |")
		for _, c := range connectors {
			if a.has(c) {
				b.WriteString(" yes |")
			} else {
				b.WriteString(" no |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The table is what the connectors themselves say, so that nothing is promised that is not there, and nothing is there in silence.
func TestREADMEListsEverySettingAndWhatConnectorsCan(t *testing.T) {
	path := filepath.Join("..", "..", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), canBegin)
	_, after, foundEnd := strings.Cut(rest, canEnd)
	if !found || !foundEnd {
		t.Fatalf("README.md lacks the lines %q and %q", strings.TrimSpace(canBegin), canEnd)
	}
	want := before + canBegin + "\n" + canTable() + "\n" + canEnd + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("README.md's table of what connectors can do is not what they can; run: make gen")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every provider of the first table of the README is there, and reads mail.
func TestSevenProviders(t *testing.T) {
	have := map[string]bool{}
	for _, c := range reach(dial.New(dial.Config{}), providers{}) {
		have[c.Name()] = able[provider.MessageLister](c) && able[provider.MessageReader](c) && able[provider.Sender](c) && able[provider.FolderLister](c)
	}
	for _, name := range []string{"google", "microsoft", "yahoo", "icloud", "imap", "ews", "nylas"} {
		if !have[name] {
			t.Errorf("%s is not there, or does not read, send and list folders", name)
		}
	}
}
