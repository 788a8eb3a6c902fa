package verifications

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/models"
)

// Header names the columns of Record.
func Header() []string {
	return []string{"id", "time", "verdict", "reason", "source", "endpoint_id", "webhook_id", "tenant_id", "event_id", "event_type", "secret_generation",
		"representation", "size", "body_digest", "skew_ms", "address", "on_allowlist", "latency_us"}
}

// Record writes a row of the log for a CSV file. Texts that a sender chose cannot become a formula in a spreadsheet.
func Record(v models.Verification) []string {
	listed := ""
	if v.Listed != nil {
		listed = strconv.FormatBool(*v.Listed)
	}
	generation := ""
	if v.Generation > 0 {
		generation = strconv.Itoa(v.Generation)
	}
	return []string{v.ID.String(), v.At.UTC().Format(time.RFC3339Nano), v.Verdict, v.Reason, v.Source, spell(v.EndpointID), spell(v.WebhookID), spell(v.TenantID),
		inert(v.EventID), inert(v.EventType), generation, v.Representation, strconv.FormatInt(v.Size, 10), hex.EncodeToString(v.Digest),
		strconv.FormatInt(v.SkewMS, 10), v.Address, listed, strconv.Itoa(v.LatencyUS)}
}

func spell[T fmt.Stringer](id *T) string {
	if id == nil {
		return ""
	}
	return (*id).String()
}

// inert puts an apostrophe before what a spreadsheet would compute.
func inert(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
