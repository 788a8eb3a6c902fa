package consent

import (
	"strings"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/views/consent"
)

// ask fills who asks, for whom and for what. Where one provider is certain, its own names for the rights stand beside ours.
func (d *Door) ask(v grants.Consent) consent.AskView {
	a := consent.AskView{Company: d.Company, Application: v.Application.Name, Organisation: v.Tenant.Name,
		RegionText: "The connection is kept in the " + regionName(v.Region) + ". Mail itself is not stored.",
		Undo:       "You can end this at any time: ask " + d.Company + " to disconnect the mailbox, or remove the permission at your mail provider."}
	for _, capability := range v.Capabilities {
		right := consent.RightView{Words: toOwner(capability.Words()), Icon: icon(string(capability))}
		if len(v.Choices) == 1 {
			var names, classes []string
			for _, scope := range v.Choices[0].Scopes {
				for _, c := range scope.Capabilities {
					if c == capability {
						names = append(names, scope.Short)
						classes = append(classes, string(scope.Sensitivity))
					}
				}
			}
			right.Provider = strings.Join(names, ", ")
			right.Sensitivity = strongest(classes)
		}
		a.Can = append(a.Can, right)
	}
	for _, capability := range v.Cannot {
		a.Cannot = append(a.Cannot, toOwner(capability.Words()))
	}
	a.Cannot = append(a.Cannot, "see the password of your mailbox where your provider signs you in", "read other mailboxes")
	return a
}

func strongest(classes []string) string {
	for _, class := range []string{"restricted", "sensitive", "non-sensitive"} {
		for _, c := range classes {
			if c == class {
				return class
			}
		}
	}
	return ""
}

func regionName(region string) string {
	if region == "us" {
		return "United States"
	}
	return "European Union"
}

func lower(sentence string) string {
	if sentence == "" {
		return ""
	}
	return strings.ToLower(sentence[:1]) + sentence[1:]
}

// toOwner turns a right's words to the one who reads them here: it is their own mailbox.
func toOwner(words string) string {
	return lower(strings.NewReplacer("as this person", "as you", "of this account", "of your account").Replace(words))
}

// icon names the picture of a right.
func icon(capability string) string {
	switch capability {
	case "read_mail":
		return "read"
	case "send_mail":
		return "send"
	case "manage_drafts", "change_mail":
		return "draft"
	case "manage_folders":
		return "folder"
	case "read_contacts", "write_contacts":
		return "contact"
	default:
		return "check"
	}
}

// rights are capabilities as the views show them.
func rights[C interface {
	~string
	Words() string
}](list []C) []consent.RightView {
	var out []consent.RightView
	for _, c := range list {
		out = append(out, consent.RightView{Words: toOwner(c.Words()), Icon: icon(string(c))})
	}
	return out
}
