package verifications

import (
	"bytes"
	"net/http"
	"time"

	"github.com/postern-mail/postern/engine/secret"
)

// Checked is what the checker found with several secrets. Which is the number of the secret that matched, from 1; 0: none.
type Checked struct {
	Finding
	Which int
}

// InspectAll tries each secret and gives the best finding: a genuine one, else the first that matched in some way, else that of the first secret. It keeps
// nothing, like Inspect.
func InspectAll(body []byte, header http.Header, secrets []secret.Text, now time.Time) Checked {
	var best Checked
	for i, text := range secrets {
		f := Inspect(body, header, text, now)
		switch {
		case f.Genuine:
			return Checked{f, i + 1}
		case f.Scheme != "" && best.Scheme == "":
			best = Checked{f, i + 1}
		case best.Title == "":
			best.Finding = f
		}
	}
	if len(secrets) == 0 {
		best.Finding = Inspect(body, header, secret.Text{}, now)
	}
	return best
}

// InspectPasted is InspectAll for a body that came through the text box of a browser, which turns every line break into CRLF (HTML Standard, section
// 4.10.22.7): it is looked at with LF first and, where that does not fit, as it came.
func InspectPasted(text []byte, header http.Header, secrets []secret.Text, now time.Time) Checked {
	plain := InspectAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), header, secrets, now)
	if plain.Genuine || !bytes.Contains(text, []byte("\r\n")) {
		return plain
	}
	if whole := InspectAll(text, header, secrets, now); whole.Genuine {
		return whole
	}
	return plain
}
