package views_test

import (
	"time"

	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
)

func securityTabs(current string) []ui.TabView {
	tabs := []ui.TabView{{Label: "Requirements", URL: "/security"}, {Label: "Encryption", URL: "/security/encryption"}}
	for i := range tabs {
		tabs[i].Current = tabs[i].Label == current
	}
	return tabs
}

func securityPage(title string) layout.Page {
	return kind(page(title, "Security"), "", layout.Crumb{Label: "Security", URL: "/security"})
}

func securitySamples() []sample {
	ages := ui.ChartView{ID: "key-ages", Title: "Data keys by age", Unit: "keys", Series: []ui.SeriesView{{Label: "keys", State: "valid"}},
		Bars: []ui.BarView{{Label: "up to 30 days", Values: []int{180}}, {Label: "up to 90 days", Values: []int{24}}, {Label: "up to a year", Values: []int{10}}, {Label: "older", Values: []int{1}}}}
	row := func(text, note, state, detail string) pages.ReportRowView {
		return pages.ReportRowView{Cells: []pages.CellView{{Text: text, URL: "/security/requirements/x", Note: note}, {State: state}, {Text: detail}, {Text: "What was measured", URL: "/security/requirements/x"}}}
	}
	columns := []ui.Column{ui.Col("Requirement"), ui.Col("State"), ui.Col("What was looked at"), ui.Col("Evidence")}
	return []sample{
		{"security", pages.Report(page("Security", "Security"), pages.ReportView{Tabs: securityTabs("Requirements"), Checked: now, Stats: []ui.StatView{{Label: "Met", Value: "20"}, {Label: "Not met", Value: "2"}, {Label: "Not claimed", Value: "4"}},
			Sections: []pages.ReportSectionView{
				{ID: "primitive", Title: "Five questions of every review", Lede: "Each is answered from the running system.", Table: &pages.ReportTableView{ID: "requirements-primitive", Caption: "Five questions", Columns: columns, Rows: []pages.ReportRowView{
					row("Which mailboxes can be reached, and with which rights?", "Scoped consent and inventory", "met", "Every mailbox that can be reached is listed with what was asked for and what was given."),
					row("Can access be cut the day a customer leaves?", "Revoke and delete, with a receipt", "not_met", "2 mailboxes wait for a provider's answer for more than three days.")}}},
				{ID: "assessment", Title: "Depends on your own assessment and contract", Table: &pages.ReportTableView{ID: "requirements-assessment", Caption: "Assessments", Columns: columns, Rows: []pages.ReportRowView{
					row("SOC 2", "Your own assessment", "not_claimed", "Depends on your own assessment and contract. No software can claim it.")}}}}})},
		{"security_requirement", pages.Report(kind(page("SOC 2", "Security"), "Requirement", layout.Crumb{Label: "Security", URL: "/security"}), pages.ReportView{Tabs: securityTabs("Requirements"), Checked: now,
			Answer: pages.AnswerView{State: "not_claimed", Text: "Depends on your own assessment and contract. No software can claim it.", Detail: "Nothing is measured."},
			Sections: []pages.ReportSectionView{{ID: "documents", Title: "Documents", Table: &pages.ReportTableView{ID: "documents", Caption: "Attached documents", Columns: []ui.Column{ui.Col("Document"), ui.Col("State"), ui.Col("Ends"), ui.Col("SHA-256"), ui.Col("")},
				Rows: []pages.ReportRowView{{Cells: []pages.CellView{{Text: "SOC 2 Type II report, 2026 " + hostile, URL: "/security/documents/1", Note: "application/pdf, 81,204 bytes"}, {State: "expired"}, {At: ago(3 * day)}, {ID: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}, {Act: pages.ReportActView{Label: "Remove", URL: "/x", Kind: "danger", Post: true}}}}}},
				Form: &pages.ReportFormView{Action: "/x", Submit: "Attach document", Fields: []ui.FieldView{{Name: "name", Label: "What it is"}, {Name: "ends", Label: "Good until", Type: "date", Optional: true}}, File: &pages.ReportFileView{Name: "file", Label: "The document", Help: "PDF or plain text, at most 2 MB.", Accept: "application/pdf,text/plain"},
					Errors: []ui.ErrorView{{Field: "name", Text: "Say what the document is."}}}}}})},
		{"security_empty", pages.Report(securityPage("Egress"), pages.ReportView{Tabs: securityTabs("Egress"), Sections: []pages.ReportSectionView{{ID: "hosts", Title: "Outside hosts", Table: &pages.ReportTableView{ID: "hosts", Caption: "Outside hosts", Empty: "Nothing was reached yet.", Columns: []ui.Column{ui.Col("Host")}}}}})},
		{"guest_enter", pages.GuestEnter(layout.PlainPage{Title: "A guest pass", Region: "EU", Now: now}, pages.GuestEnterView{Company: "Acme", Tenant: hostile, Name: "Auditor of Northwind", Until: ago(-7 * day), Action: "/guest/x"})},
		{"security_encryption", pages.Report(securityPage("Encryption"), pages.ReportView{Tabs: securityTabs("Encryption"), Checked: ago(3 * time.Minute),
			Answer: pages.AnswerView{State: "not_met", Text: "Something is still sealed under an older key.", Detail: "A rotation is under way, or was stopped before its end; starting it again goes on with it."},
			Stats:  []ui.StatView{{Label: "On the key in use", Value: "99.9 %", Detail: "24,801 of 24,804 sealed values"}, {Label: "Data keys", Value: "215"}, {Label: "Wrapped under an older key", Value: "0"}},
			Sections: []pages.ReportSectionView{
				{ID: "how", Title: "How it is encrypted", Facts: []ui.FactView{{Label: "At rest", Text: "AES-256-GCM, a key of each organisation, itself wrapped by the key-encryption key"}, {Label: "Key-encryption key", Text: "9f2c11d0e4a7b635", Mono: true}}},
				{ID: "ages", Title: "Ages of the keys and secrets in use", Lede: "What is older than a year asks to be replaced.", Charts: []ui.ChartView{ages}},
				{ID: "rotation", Title: "Rotation", Lede: "Every organisation gets a new data key.", Progress: &pages.ProgressView{Done: 120, Of: 215, Text: "120 of 215 keys, 12,400 values sealed anew, begun by Sofia Lindqvist", Since: ago(2 * time.Minute)},
					Code: "postern keys status\npostern keys rotate\npostern keys verify", Acts: []pages.ReportActView{{Label: "Go on with the rotation", URL: "/security/encryption/rotate", Icon: "rotate", Kind: "primary", Post: true}}},
			}})},
	}
}
