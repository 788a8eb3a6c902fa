package evidence

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// MakePack is the job that makes a pack.
type MakePack struct {
	Pack models.PackID `json:"pack"`
}

// Kind names the job.
func (MakePack) Kind() string { return "make_evidence_pack" }

// mostPacked bounds each list in a pack; one that stops there says so in its last line.
const mostPacked = 100_000

var errPacks = fault.New(fault.Denied, "packs_denied", "You may not make evidence packs.")

// Request begins a pack: of one tenant, or with the zero tenant of the whole installation. masked leaves of each address the first letter and the domain.
func (s *Service) Request(ctx context.Context, actor models.Actor, tenant models.TenantID, masked bool) (models.EvidencePack, error) {
	if !actor.May(models.WriteEvidence) {
		return models.EvidencePack{}, errPacks
	}
	if !actor.Platform() {
		if tenant.IsZero() {
			tenant = actor.Tenant
		}
		if !actor.Sees(tenant) || tenant.IsZero() {
			return models.EvidencePack{}, store.ErrNotFound
		}
	}
	at := s.Now().UTC()
	p := models.EvidencePack{ID: models.NewID[models.PackID](at), RequestedBy: actor.Label, Masked: masked || actor.Masked(), State: "waiting", Steps: len(s.chapters()), CreatedAt: at}
	err := s.Store.OnPlatform(ctx, "begin an evidence pack", func(tx *store.Tx) error {
		if !tenant.IsZero() {
			if _, err := tx.Tenant(tenant); err != nil {
				return err
			}
			p.TenantID = &tenant
		}
		if err := tx.InsertEvidencePack(p); err != nil {
			return err
		}
		if err := s.Audit.Append(ctx, tx, actor, audit.Entry{Action: "evidence.make", Tenant: tenant, ObjectKind: "evidence_pack", ObjectID: p.ID.String(), Object: "evidence pack", Detail: map[string]string{"masked": fmt.Sprint(p.Masked)}}); err != nil {
			return err
		}
		return s.Outbox.Job(ctx, tx, MakePack{Pack: p.ID}, nil)
	})
	if err != nil {
		return p, fmt.Errorf("begin an evidence pack: %w", err)
	}
	return p, nil
}

// Packs lists the packs that the actor may have, the newest first, at most 100.
func (s *Service) Packs(ctx context.Context, actor models.Actor) ([]models.EvidencePack, error) {
	if !actor.May(models.ReadEvidence) {
		return nil, errPacks
	}
	var rows []models.EvidencePack
	err := s.read(ctx, actor, "list evidence packs", func(tx *store.Tx) (err error) {
		rows, err = tx.EvidencePacks(scope(actor), actor.Masked())
		return err
	})
	return rows, err
}

// Content gives a pack that is ready. Who sees masked addresses only gets masked packs only. Each download is audited.
func (s *Service) Content(ctx context.Context, actor models.Actor, id models.PackID) (p models.EvidencePack, content []byte, err error) {
	if !actor.May(models.ReadEvidence) {
		return p, nil, errPacks
	}
	err = s.read(ctx, actor, "download an evidence pack", func(tx *store.Tx) error {
		if p, err = tx.EvidencePack(id); err != nil {
			return err
		}
		if p.State != "ready" || actor.Masked() && !p.Masked {
			return store.ErrNotFound
		}
		if content, err = tx.EvidenceContent(id); err != nil {
			return err
		}
		entry := audit.Entry{Action: "evidence.download", ObjectKind: "evidence_pack", ObjectID: id.String(), Object: "evidence pack", Detail: map[string]string{"sha256": hex.EncodeToString(p.Digest)}}
		if p.TenantID != nil {
			entry.Tenant = *p.TenantID
		}
		return s.Audit.Append(ctx, tx, actor, entry)
	})
	return p, content, err
}

// volume is a pack under way.
type volume struct {
	pack  models.EvidencePack
	actor models.Actor // sees what the pack is about, and nothing else
	files []packed
	at    time.Time
	page  strings.Builder // the readable page
}

type packed struct {
	name string
	data []byte
}

type chapter struct {
	title string
	write func(context.Context, *volume) error
}

func (s *Service) chapters() []chapter {
	return []chapter{{"Requirements", s.packRequirements}, {"Mailboxes and their rights", s.packGrants}, {"What was cut", s.packReceipts}, {"Signed events", s.packVerifications}, {"Rights granted and used", s.packRights},
		{"Outside hosts", s.packEgress}, {"Audit", s.packAudit}}
}

// Make makes a pack. It may be killed and run again: nothing is kept before all of it is.
func (s *Service) Make(ctx context.Context, id models.PackID) error {
	v := &volume{at: s.Now().UTC()}
	err := s.Store.OnPlatform(ctx, "read what an evidence pack is to hold", func(tx *store.Tx) (err error) {
		v.pack, err = tx.EvidencePack(id)
		return err
	})
	if err != nil || v.pack.State == "ready" || v.pack.State == "destroyed" {
		return err
	}
	v.actor = models.Actor{Kind: models.ActorSystem, ID: "evidence", Label: "Postern, evidence"}
	if v.pack.TenantID != nil {
		v.actor.Tenant = *v.pack.TenantID
	}
	for i, c := range s.chapters() {
		if err := s.mark(ctx, id, "running", i, ""); err != nil {
			return err
		}
		fmt.Fprintf(&v.page, "<section><h2>%s</h2>\n", text(c.title))
		if err := c.write(ctx, v); err != nil {
			_ = s.mark(ctx, id, "failed", i, "“"+c.title+"” could not be written. It is tried again.") // the job's own error is what counts
			return fmt.Errorf("evidence pack, %s: %w", c.title, err)
		}
		v.page.WriteString("</section>\n")
	}
	content, err := s.bind(v)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	end := s.Now().UTC()
	v.pack.Digest, v.pack.Size, v.pack.FinishedAt = sum[:], int64(len(content)), &end
	err = s.Store.OnPlatform(ctx, "keep an evidence pack", func(tx *store.Tx) error {
		if err := tx.FinishEvidencePack(v.pack, content); err != nil {
			return err
		}
		entry := audit.Entry{Action: "evidence.made", ObjectKind: "evidence_pack", ObjectID: id.String(), Object: "evidence pack", Detail: map[string]string{"sha256": hex.EncodeToString(sum[:])}}
		if v.pack.TenantID != nil {
			entry.Tenant = *v.pack.TenantID
		}
		return s.Audit.Append(ctx, tx, models.System("evidence"), entry)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // another process was first
	}
	return err
}

func (s *Service) mark(ctx context.Context, id models.PackID, state string, step int, problem string) error {
	return s.Store.OnPlatform(ctx, "note how far an evidence pack is", func(tx *store.Tx) error { return tx.MarkEvidencePack(id, state, step, problem) })
}

// bind makes the zip and signs it.
func (s *Service) bind(v *volume) ([]byte, error) {
	v.add("index.html", []byte(s.readable(v)))
	type entry struct {
		Name   string `json:"name"`
		Size   int    `json:"size"`
		SHA256 string `json:"sha256"`
	}
	manifest := struct {
		Format, Key, Made, About string
		Masked                   bool
		Files                    []entry
	}{Format: "postern evidence pack 1", Key: s.Log.Key(), Made: v.at.Format(time.RFC3339), About: v.about(), Masked: v.pack.Masked}
	for _, f := range v.files {
		sum := sha256.Sum256(f.data)
		manifest.Files = append(manifest.Files, entry{f.name, len(f.data), hex.EncodeToString(sum[:])})
	}
	raw, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, err
	}
	v.add("manifest.json", raw)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range v.files {
		file, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: v.at})
		if err != nil {
			return nil, err
		}
		if _, err := file.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(w.SetComment(s.Log.PackComment()), w.Close()); err != nil {
		return nil, err
	}
	return s.Log.SignPack(out.Bytes()), nil
}

func (v *volume) add(name string, data []byte) { v.files = append(v.files, packed{name, data}) }

func (v *volume) about() string {
	if v.pack.TenantID != nil {
		return "organisation " + v.pack.TenantID.String()
	}
	return "the whole installation"
}

var mailAddress = regexp.MustCompile(`[^\s@<>"',;:()]+@[^\s@<>"',;:()]+`)

// mask leaves of each address the first letter and the domain, where the pack is masked.
func (v *volume) mask(t string) string {
	if !v.pack.Masked {
		return t
	}
	return mailAddress.ReplaceAllStringFunc(t, func(address string) string {
		first := []rune(address)[0]
		return string(first) + "…" + address[strings.LastIndexByte(address, '@'):]
	})
}

// table writes rows as CSV, and the first of them into the readable page.
func (v *volume) table(name string, columns []string, rows [][]string) error {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	safe := [][]string{columns}
	for _, row := range rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = inert(v.mask(cell))
		}
		safe = append(safe, line)
	}
	if err := w.WriteAll(safe); err != nil {
		return err
	}
	v.add(name, out.Bytes())
	v.show(name, columns, safe[1:])
	return nil
}

// inert keeps a spreadsheet from computing a cell (OWASP, CSV injection).
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n\x00", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

type packWorker struct {
	river.WorkerDefaults[MakePack]
	s *Service
}

// Work implements river.Worker.
func (w *packWorker) Work(ctx context.Context, job *river.Job[MakePack]) error {
	err := w.s.Make(ctx, job.Args.Pack)
	if errors.Is(err, store.ErrNotFound) {
		return river.JobCancel(err)
	}
	return err
}

// Timeout bounds one try.
func (*packWorker) Timeout(*river.Job[MakePack]) time.Duration { return 150 * time.Second }

// Workers adds the jobs of this package.
func (s *Service) Workers(w *river.Workers) { river.AddWorker(w, &packWorker{s: s}) }
