package views_test

import (
	"fmt"
	"time"

	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
)

func batchSamples() []sample {
	picked := grantRows(8)
	for i := range picked {
		picked[i].ID = fmt.Sprintf("019a8f5e-0000-7000-8000-%012d", i)
	}
	var names []string
	for _, r := range picked {
		names = append(names, r.Address)
	}
	google, imap := ends(), ui.EndsView{Now: []string{"Every call to these mailboxes through this installation, by people and by programs.", "Our stored credential: it is destroyed, not only hidden."},
		Owner: []ui.OwnerActView{{Text: "The password itself stays good at the mail server until it is changed."}}}
	confirm := pages.BatchConfirmView{Button: "Revoke 412 mailboxes", Tenants: 3, Providers: []pages.BatchProviderView{{Provider: "Google", Count: 351, Ends: google}, {Provider: "IMAP", Count: 61, Ends: imap}}, Addresses: names, More: 404,
		Kept: []string{"12 of the chosen were revoked before and stay as they are."}, Stays: []string{"The records of the grants and their ids. A reconnect by its owner revives one."}, Action: "/grants/revoke-many?all=1", CancelURL: "/grants", Batch: grantID, Digest: planHash,
		ReachLabel: "How far it goes at Google, and wherever a provider keeps one permission for a person and an app",
		Reaches:    []ui.OptionView{{Value: "everywhere", Label: "Everywhere", Help: "Google is told.", Selected: true}, {Value: "here", Label: "This organisation only", Help: "Our copy is destroyed and Google is not told."}}}
	changed := pages.BatchConfirmView{Button: "Delete 1 mailbox", Tenants: 1, Providers: []pages.BatchProviderView{{Provider: "IMAP", Count: 1, Ends: imap}}, Addresses: []string{longMail}, Action: "/grants/delete-many", CancelURL: "/grants", Batch: grantID, Digest: planHash, Reason: hostile,
		Stays: []string{"The receipts and the audit entries."}, Errors: []ui.ErrorView{{Text: "What you chose is not what is there any more: somebody connected or ended a mailbox meanwhile. Nothing was changed. Look at it once more."}}}
	crumb := []layout.Crumb{{Label: "Grants", URL: "/grants"}, {Label: "Ended together", URL: "/batches"}}
	running := pages.BatchShowView{Sentence: "230 of 412 mailboxes are cut so far. It goes on without this page.", State: "running", Live: true, LiveURL: "/batches/1/progress", LiveState: "running", Failed: 2, StillLiveURL: "/receipts/live", Reason: hostile, By: "Sofia Lindqvist", At: ago(2 * time.Minute), ID: grantID, AuditURL: "/audit?object=1",
		Progress: []ui.ProgressView{{Name: "cut", Label: "Cut here", Done: 230, Total: 412}, {Name: "providers", Label: "Settled at providers", Done: 197, Total: 412}},
		Results:  []pages.BatchResultView{{State: "severed-verified", Count: 151, Means: "The provider confirmed, and the old token was tried and refused."}, {State: "user-action-needed", Count: 46, Means: "Our copy is destroyed; only the owner can end the rest."}, {State: "severing", Count: 33, Means: "Cut here; the provider is being asked."}, {State: "waiting", Count: 182, Means: "Not cut yet."}},
		Lines: []pages.BatchLineRow{{Address: "ada@northwind.example", Provider: "Google", State: "severed-verified", At: ago(time.Minute), ReceiptURL: "/receipts/1", GrantURL: "/grants/1"}, {Address: longMail, Provider: "Microsoft", State: "user-action-needed", At: ago(time.Minute), ReceiptURL: "/receipts/2", GrantURL: "/grants/2"},
			{Address: "j.okafor@lumen-health.example", Provider: "Google", State: "severing", NoReceipt: "none yet", At: ago(50 * time.Second), GrantURL: "/grants/3"}, {Address: hostile + "@evil.example", Provider: "IMAP", State: "waiting", Detail: "tried 2 times", NoReceipt: "none yet", GrantURL: "/grants/4"}, {Address: "late@fjord.example", Provider: "IMAP", State: "gone", NoReceipt: "not by this", At: ago(40 * time.Second)}},
		Pages: ui.PagesView{From: 1, To: 50, Total: "412", Next: "/batches/1?cursor=50"}}
	done := running
	done.Sentence, done.State, done.Live, done.Failed, done.Progress, done.Results, done.Lines = "412 mailboxes are cut off, and each has its receipt.", "done", false, 0, []ui.ProgressView{{Name: "cut", Label: "Cut here", Done: 412, Total: 412}, {Name: "providers", Label: "Settled at providers", Done: 412, Total: 412}}, running.Results[:2], running.Lines[:2]
	list := pages.BatchListView{Pages: ui.PagesView{From: 1, To: 2}, Rows: []pages.BatchRow{{Title: "Revoke 412 mailboxes", URL: "/batches/1", State: "running", Reason: hostile, By: "Sofia Lindqvist", At: ago(2 * time.Minute)}, {Title: "Delete 3 mailboxes", URL: "/batches/2", State: "done", By: "Priya Raman", At: ago(3 * day)}}}
	return []sample{
		{"grant_list_pick", pages.GrantList(page("Grants", "Grants"), pages.GrantListView{Filters: filters("/grants", "Search mailboxes", choice("state", "State", "Valid")), Rows: picked, Pages: ui.PagesView{From: 1, To: 50, Total: "412", Next: "/grants?after=x"}, BatchURL: "/batches",
			Pick: pages.PickView{RevokeURL: "/grants/revoke-many", DeleteURL: "/grants/delete-many", All: "All 412 that match, on the other pages too", Filters: []ui.FactView{{Label: "status", Text: "valid"}}}})},
		{"batch_confirm", pages.BatchConfirm(kind(page("Revoke 412 mailboxes?", "Grants"), "", crumb[:1]...), confirm)},
		{"batch_confirm_changed", pages.BatchConfirm(kind(page("Delete 1 mailbox?", "Grants"), "", crumb[:1]...), changed)},
		{"batch_list", pages.BatchList(kind(page("Ended together", "Grants"), "", crumb[:1]...), list)},
		{"batch_list_none", pages.BatchList(kind(page("Ended together", "Grants"), "", crumb[:1]...), pages.BatchListView{GrantsURL: "/grants"})},
		{"batch_running", pages.BatchShow(kind(page("Revoke 412 mailboxes", "Grants"), "", crumb...), running)},
		{"batch_done", pages.BatchShow(kind(page("Revoke 412 mailboxes", "Grants"), "", crumb...), done)},
	}
}
