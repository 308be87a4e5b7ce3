package job

import "postern/domain/eventlog"

// Event is that the job is over.
func (j Job) Event() eventlog.Event {
	return eventlog.New(eventlog.JobFinished, eventlog.Subject{Kind: "job", Key: j.ID}, *j.FinishedAt, map[string]any{
		"kind": j.Kind, "state": j.State, "author": j.Author,
	})
}
