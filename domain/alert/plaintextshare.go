package alert

import (
	"fmt"
	"time"

	"postern/domain/policy"
	"postern/domain/tlsreport"
)

// ShareWindow returns the beginning of the hours over which the share of a bound
// is taken: statistics know no shorter time than the hour.
func ShareWindow(b policy.ShareBound, now time.Time) time.Time {
	return now.UTC().Truncate(time.Hour).Add(-time.Duration(b.WindowHours) * time.Hour)
}

// Plaintext returns the event of too much mail in clear in one direction; false
// where the bound is kept. The sums are those since the time.
func Plaintext(b policy.ShareBound, sums tlsreport.Summary, since time.Time) (Event, bool) {
	all := sums.MessagesEncrypted + sums.MessagesUnencrypted
	if !b.Exceeded(sums.MessagesUnencrypted, all) {
		return Event{}, false
	}
	return Event{
		Kind: PlaintextShare, About: string(sums.Direction), Severity: policy.SeverityWarning,
		Detail: fmt.Sprintf("Of %d messages since %s, %d were in clear: %.1f percent, where %d are allowed.",
			all, stamp(since), sums.MessagesUnencrypted, float64(sums.MessagesUnencrypted)/float64(all)*100, b.AbovePercent),
	}, true
}
