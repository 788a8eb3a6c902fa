package models

import "time"

// EgressHost is a host that Postern connected to, or tried to, and for what.
type EgressHost struct {
	Purpose   string     `gorm:"column:purpose;primaryKey"`
	Host      string     `gorm:"column:host;primaryKey"`
	Port      int        `gorm:"column:port;primaryKey"`
	Connected int64      `gorm:"column:connected"`
	Refused   int64      `gorm:"column:refused"` // by our own guard
	Failed    int64      `gorm:"column:failed"`
	FirstAt   time.Time  `gorm:"column:first_at"`
	LastAt    time.Time  `gorm:"column:last_at"`
	SeenAt    *time.Time `gorm:"column:seen_at"` // nil: new, nobody has looked at it
	SeenBy    string     `gorm:"column:seen_by"`
}

// TableName names the table.
func (EgressHost) TableName() string { return "egress_hosts" }

// EvidencePack is a signed zip that a reviewer takes home. Its bytes are elsewhere.
type EvidencePack struct {
	ID          PackID     `gorm:"column:id;primaryKey"`
	TenantID    *TenantID  `gorm:"column:tenant_id"` // nil: the whole installation
	RequestedBy string     `gorm:"column:requested_by"`
	Masked      bool       `gorm:"column:masked"` // mail addresses are; so a guest may have it
	State       string     `gorm:"column:state"`  // waiting, running, ready, failed, destroyed: its tenant left
	Step        int        `gorm:"column:step"`
	Steps       int        `gorm:"column:steps"`
	Problem     string     `gorm:"column:problem"`
	Digest      []byte     `gorm:"column:digest"` // SHA-256 of the file
	Size        int64      `gorm:"column:size"`
	CreatedAt   time.Time  `gorm:"column:created_at"`
	FinishedAt  *time.Time `gorm:"column:finished_at"`
}

// TableName names the table.
func (EvidencePack) TableName() string { return "evidence_packs" }

// EvidenceDocument is what only people can bring: an assessor's letter, a contract. Its content is sealed.
type EvidenceDocument struct {
	ID          DocumentID `gorm:"column:id;primaryKey"`
	Requirement string     `gorm:"column:requirement"`
	Name        string     `gorm:"column:name"`
	Kind        string     `gorm:"column:kind"` // content type
	Digest      []byte     `gorm:"column:digest"`
	Size        int64      `gorm:"column:size"`
	ExpiresAt   *time.Time `gorm:"column:expires_at"`
	AddedBy     string     `gorm:"column:added_by"`
	AddedAt     time.Time  `gorm:"column:added_at"`
	RemovedAt   *time.Time `gorm:"column:removed_at"`
}

// TableName names the table.
func (EvidenceDocument) TableName() string { return "evidence_documents" }
