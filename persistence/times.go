package persistence

import "time"

// micros is the stored form of a moment: microseconds since 1970 UTC. What is
// finer is cut off.
func micros(t time.Time) int64 { return t.UnixMicro() }

// moment reads what micros wrote.
func moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// optionalMicros stores no moment as NULL.
func optionalMicros(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	return new(micros(*t))
}

// optionalMoment reads what optionalMicros wrote.
func optionalMoment(micros *int64) *time.Time {
	if micros == nil {
		return nil
	}
	return new(moment(*micros))
}
