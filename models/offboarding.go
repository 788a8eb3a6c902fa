package models

import "time"

// OffboardingState is where an offboarding stands.
type OffboardingState string

// The states of an offboarding.
const (
	OffboardingPlanned   OffboardingState = "planned"   // the dry run is frozen and waits for a second person
	OffboardingApproved  OffboardingState = "approved"  // and waits for its time
	OffboardingRunning   OffboardingState = "running"   // the door is closed
	OffboardingDone      OffboardingState = "done"      // the certificate is written
	OffboardingWithdrawn OffboardingState = "withdrawn" // somebody called it off before the door was closed
	OffboardingStale     OffboardingState = "stale"     // what is there is no longer what was planned
)

// Offboarding ends everything of a tenant by a plan. Nothing of it is secret.
type Offboarding struct {
	TenantID      TenantID         `gorm:"column:tenant_id;primaryKey"`
	ID            OffboardingID    `gorm:"column:id;primaryKey"`
	State         OffboardingState `gorm:"column:state"`
	Plan          JSON             `gorm:"column:plan"`
	PlanHash      []byte           `gorm:"column:plan_hash"`
	Reason        string           `gorm:"column:reason"`
	Ticket        string           `gorm:"column:ticket"`
	WaitSeconds   int              `gorm:"column:wait_seconds"` // how long a provider that is down is asked
	StartAt       *time.Time       `gorm:"column:start_at"`     // nil: with the approval
	RequestedBy   string           `gorm:"column:requested_by"`
	RequestedByID string           `gorm:"column:requested_by_id"`
	RequestedAt   time.Time        `gorm:"column:requested_at"`
	ExpiresAt     time.Time        `gorm:"column:expires_at"` // of the plan: no approval after it
	ApprovedBy    string           `gorm:"column:approved_by"`
	ApprovedByID  string           `gorm:"column:approved_by_id"`
	ApprovedAt    *time.Time       `gorm:"column:approved_at"`
	StartedAt     *time.Time       `gorm:"column:started_at"`
	DeadlineAt    *time.Time       `gorm:"column:deadline_at"`
	BeatAt        *time.Time       `gorm:"column:beat_at"` // a worker was at it
	EndedAt       *time.Time       `gorm:"column:ended_at"`
	EndedBy       string           `gorm:"column:ended_by"`
	Certificate   *JSON            `gorm:"column:certificate"`
	EntryID       *AuditID         `gorm:"column:entry_id"`
}

// TableName names the table.
func (Offboarding) TableName() string { return "offboardings" }

// Open says whether it can still do something.
func (o Offboarding) Open() bool {
	return o.State == OffboardingPlanned || o.State == OffboardingApproved || o.State == OffboardingRunning
}

// OffboardingStep is one step of an offboarding, as far as it got.
type OffboardingStep struct {
	TenantID      TenantID      `gorm:"column:tenant_id;primaryKey"`
	OffboardingID OffboardingID `gorm:"column:offboarding_id;primaryKey"`
	Name          string        `gorm:"column:name;primaryKey"`
	Place         int           `gorm:"column:place"`
	Total         int           `gorm:"column:total"`
	Done          int           `gorm:"column:done"`
	Counts        JSON          `gorm:"column:counts"` // what it ended, by noun
	StartedAt     *time.Time    `gorm:"column:started_at"`
	EndedAt       *time.Time    `gorm:"column:ended_at"`
}

// TableName names the table.
func (OffboardingStep) TableName() string { return "offboarding_steps" }
