package delivery

import (
	"fmt"
	"time"

	"postern/domain/policy"
)

// Status is how a try ended for a recipient.
type Status uint8

// The ends of a try. The zero value is Deferred: what nobody classified is
// tried again and never bounced (B28).
const (
	Deferred Status = iota
	Delivered
	Bounced
)

var statusNames = [...]string{"deferred", "delivered", "bounced"}

// String returns the status's name in API and logs.
func (s Status) String() string { return statusNames[min(int(s), len(statusNames)-1)] }

// MarshalText returns the status's name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Stage is the step of a try in which it ended.
type Stage string

// The stages, in order (design.md section 3).
const (
	StageRoute    Stage = "route"
	StageNames    Stage = "names"
	StagePolicy   Stage = "policy"
	StageConnect  Stage = "connect"
	StageSTARTTLS Stage = "starttls"
	StageVerify   Stage = "verify"
	// StageExtensions is what the peer offers inside TLS: REQUIRETLS (B56).
	StageExtensions Stage = "extensions"
	StageAuth       Stage = "auth" // credentials of a server profile (B32)
	StageTransfer   Stage = "transfer"
)

// Outcome is the end of a try for one recipient.
type Outcome struct {
	Status Status `json:"status"`
	Stage  Stage  `json:"stage,omitempty"`
	// Code is the basic reply code, of the peer or our own.
	Code int `json:"code,omitempty"`
	// Enhanced is the enhanced status code (RFC 3463), as 4.7.5.
	Enhanced string `json:"enhanced,omitempty"`
	// Text explains; a peer's words are quoted and bounded.
	Text string `json:"text,omitempty"`
	// Remote says that code and text are the peer's (RFC 3464 §2.3.6).
	Remote bool `json:"remote,omitempty"`
}

// String returns the outcome in one line.
func (o Outcome) String() string {
	return fmt.Sprintf("%s at %s: %d %s %s", o.Status, o.Stage, o.Code, o.Enhanced, o.Text)
}

// HostTry is one candidate host that an attempt looked at, and what came of it.
type HostTry struct {
	Host    string     `json:"host"`
	Address string     `json:"address,omitempty"`
	Stage   Stage      `json:"stage"`
	TLS     SessionTLS `json:"tls"`
	// Level is the TLS level of this try: that of the decision, or the lower
	// one that the decision granted (B24).
	Level  policy.TLSLevel `json:"tls_level"`
	Result string          `json:"result"`
	// Evidence is what the try showed of the host; nil where it came to no
	// connection, and in records of before it was kept.
	Evidence *Evidence `json:"evidence,omitempty"`
}

// Attempt is the record of one try for some recipients of a message: what was
// decided and why, what happened, under which revision. It is written on the
// one path for success and failure.
type Attempt struct {
	Message  MessageID
	At       time.Time
	Duration time.Duration
	Revision int64
	// Decision is that of the host which settled the attempt.
	Decision policy.Decision
	Host     string
	Address  string
	TLS      SessionTLS
	Hosts    []HostTry
	Results  []Result
	Reused   bool // an open connection served it
	// PostponedUntil, where it is set, is when recipients without a result may be
	// tried: the limits of their destination left no room for them (B21). That
	// was no try, and is not stored.
	PostponedUntil time.Time
	// LeftOut are recipients without a result that no longer share next hops and
	// requirement with the others, since the configuration changed after they
	// were grouped (B29): indexes in the envelope. They may be tried at once. That
	// was no try either, and is not stored.
	LeftOut []int
}

// Result is the outcome for one recipient.
type Result struct {
	Recipient int // index in the envelope
	Outcome   Outcome
	// DSN says that the peer has taken over what the sender wants to hear of
	// (RFC 3461 §5.2.1); where not, a success is ours to report.
	DSN bool
}

// Schedule is when a deferred recipient is tried again, and how long.
type Schedule struct {
	Intervals   []time.Duration // the last one repeats
	Lifetime    time.Duration
	DelayNotice time.Duration // 0: none
}

// ScheduleOf reads the schedule from the settings (B75).
func ScheduleOf(s policy.QueueSettings) Schedule {
	schedule := Schedule{
		Lifetime:    time.Duration(s.LifetimeSeconds) * time.Second,
		DelayNotice: time.Duration(s.DelayNoticeSeconds) * time.Second,
	}
	for _, seconds := range s.RetryIntervals {
		schedule.Intervals = append(schedule.Intervals, time.Duration(seconds)*time.Second)
	}
	return schedule
}

// Next returns when to try again after the given number of tries.
func (s Schedule) Next(attempts int, now time.Time) time.Time {
	i := min(max(attempts-1, 0), len(s.Intervals)-1)
	return now.Add(s.Intervals[i])
}

// Expired reports whether a message received then is given up at now. It takes
// at least one try, so that a clock that jumps cannot bounce untried mail.
func (s Schedule) Expired(receivedAt time.Time, attempts int, now time.Time) bool {
	return attempts > 0 && now.Sub(receivedAt) >= s.Lifetime
}
