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
	return []sample{
		{"security_encryption", pages.Report(securityPage("Encryption"), pages.ReportView{Tabs: securityTabs("Encryption"), Checked: ago(3 * time.Minute),
			Answer: pages.AnswerView{State: "not_met", Text: "Something is still sealed under an older key.", Detail: "A rotation is under way, or was stopped before its end; starting it again goes on with it."},
			Stats:  []ui.StatView{{Label: "On the key in use", Value: "99.9 %", Detail: "24,801 of 24,804 sealed values"}, {Label: "Data keys", Value: "215"}, {Label: "Wrapped under an older key", Value: "0"}},
			Sections: []pages.ReportSectionView{
				{ID: "how", Title: "How it is encrypted", Facts: []ui.FactView{{Label: "At rest", Text: "AES-256-GCM, a key of each organisation, itself wrapped by the key-encryption key"}, {Label: "Key-encryption key", Text: "9f2c11d0e4a7b635", Mono: true}}},
				{ID: "ages", Title: "Ages of the data keys in use", Charts: []ui.ChartView{ages}},
				{ID: "rotation", Title: "Rotation", Lede: "Every organisation gets a new data key.", Progress: &pages.ProgressView{Done: 120, Of: 215, Text: "120 of 215 keys, 12,400 values sealed anew, begun by Sofia Lindqvist", Since: ago(2 * time.Minute)},
					Code: "postern keys status\npostern keys rotate\npostern keys verify", Acts: []pages.ReportActView{{Label: "Go on with the rotation", URL: "/security/encryption/rotate", Icon: "rotate", Kind: "primary", Post: true}}},
			}})},
	}
}
