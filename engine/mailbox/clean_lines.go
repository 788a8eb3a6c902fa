package mailbox

import (
	"html"
	"regexp"
	"strings"
)

// Where, in words, an answered message begins, in the languages of the larger mail programs.
var (
	wrote    = regexp.MustCompile(`(?i)^(?:On|Am|Le|El|Il|Op|Em|Den|Dnia|W dniu|Pe|Vào)\b.{4,300}(?:wrote|schrieb.{0,200}|a écrit|escribió|ha scritto|schreef.{0,200}|escreveu|skrev.{0,200}|napisał\(?a?\)?|a scris|đã viết)\s*:$`)
	original = regexp.MustCompile(`(?i)^[-_ ]{2,}\s*(?:original message|original appointment|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale|oorspronkelijk bericht|forwarded message|weitergeleitete nachricht|message transféré)\s*[-_ ]*$`)
	sentBy   = regexp.MustCompile(`(?i)^\*?(?:from|von|de|da|van|från)\*?\s*:\s*\S`)
	sentOn   = regexp.MustCompile(`(?i)^\*?(?:sent|date|gesendet|datum|envoyé|enviado|inviato|verzonden|skickat|data)\*?\s*:\s*\S`)
	about    = regexp.MustCompile(`(?i)^\*?(?:subject|to|betreff|an|objet|à|asunto|para|oggetto|onderwerp|aan|ämne|till)\*?\s*:`)
	sentFrom = regexp.MustCompile(`(?i)^(?:sent from my |sent from (?:yahoo|outlook|mail) |get outlook for |von meinem .{1,40} gesendet|envoyé de mon |enviado desde mi )`)
	farewell = regexp.MustCompile(`(?i)^(?:(?:with )?(?:best|kind|kindest|warm|warmest|many)?\s*(?:regards|wishes)|best|all the best|cheers|thanks(?: again| a lot| so much)?|thank you(?: very much| so much| again)?|many thanks|sincerely(?: yours)?|yours(?: sincerely| truly| faithfully)?|cordially|respectfully|take care|(?:mit )?(?:freundlichen?|besten?|herzlichen?|viele[n]?|liebe[n]?|schöne[n]?) (?:grüße[n]?|gruß|grüssen?|dank)|mfg|lg|cordialement|bien cordialement|bien à vous|salutations|saludos(?: cordiales)?|atentamente|cordiali saluti|distinti saluti|met vriendelijke groet(?:en)?|groeten|atenciosamente|med vänliga hälsningar|med venlig hilsen)\s*[,.!]*$`)
)

const (
	signatureLines = 10  // after a farewell: name, title, company, telephone
	signatureText  = 600 // characters of all of them
)

// shorten cuts off what was answered, the signature, and, unless it is to stay, the farewell with all that follows it.
func shorten(all []line, c Cleaning) []line {
	for i := range all {
		text := strings.TrimSpace(all[i].text)
		if beginsQuote(all, i) || text == "--" || text == "—" || sentFrom.MatchString(text) && len(all)-i <= signatureLines {
			all = all[:i]
			break
		}
	}
	all = trimmed(all)
	if c.WithConclusions {
		return all
	}
	length, lines := 0, 0
	for i := len(all) - 1; i > 0 && lines <= signatureLines && length <= signatureText; i-- {
		text := strings.TrimSpace(all[i].text)
		if len(text) <= 60 && farewell.MatchString(text) {
			return trimmed(all[:i])
		}
		if text != "" {
			length, lines = length+len(text), lines+1
		}
	}
	return all
}

func beginsQuote(all []line, i int) bool {
	text := strings.TrimSpace(all[i].text)
	if original.MatchString(text) || wrote.MatchString(text) {
		return true
	}
	if i+1 < len(all) && len(text) < 200 && wrote.MatchString(text+" "+strings.TrimSpace(all[i+1].text)) {
		return true
	}
	if !sentBy.MatchString(text) {
		return false
	}
	when, what := false, false
	for _, l := range all[i+1 : min(i+6, len(all))] {
		text := strings.TrimSpace(l.text)
		when, what = when || sentOn.MatchString(text), what || about.MatchString(text)
	}
	return when && what
}

// readPlain reads a body that has no markup. Lines behind a > are quoted.
func readPlain(text string, quoted bool) []line {
	if len(text) > cleanMost {
		text = strings.ToValidUTF8(text[:cleanMost], "")
	}
	var out []line
	goesOn := false
	for s := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		s = strings.TrimRight(s, " \t\r")
		if strings.HasPrefix(s, ">") && !quoted {
			continue
		}
		if len(out) == cleanLines {
			break
		}
		out = append(out, line{kind: "p", goesOn: goesOn, html: html.EscapeString(s), md: escapeStart(escapeMarkdown(s)), text: s})
		goesOn = s != ""
	}
	return out
}
