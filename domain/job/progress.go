package job

import (
	"context"
	"fmt"
	"time"
)

// saveInterval is how often progress is stored, at most: a job that counts fast
// must not keep the disk busy.
const saveInterval = time.Second

// Progress is by what work tells how far it has come. It is safe for concurrent
// use.
type Progress struct {
	service *Service
	run     *run
	ctx     context.Context
}

// Expect says how much there is to do, and what is counted, as "rows".
func (p *Progress) Expect(total int64, unit string) {
	p.note(func(j Job) Job {
		j.Count.Total, j.Count.Unit = total, unit
		return j
	})
}

// Done says that n more are done.
func (p *Progress) Done(n int64) {
	p.note(func(j Job) Job {
		j.Count.Done += n
		return j
	})
}

// Step tells of the way, in words for an administrator.
func (p *Progress) Step(format string, args ...any) {
	p.note(func(j Job) Job {
		return j.withStep(Step{At: p.service.Now().UTC(), Text: fmt.Sprintf(format, args...)})
	})
}

// note changes the job in memory, and now and then on disk.
func (p *Progress) note(do func(Job) Job) {
	p.run.mu.Lock()
	defer p.run.mu.Unlock()
	if p.run.job.State.Over() {
		return // told by what the work left behind
	}
	p.run.job = do(p.run.job)
	if now := p.service.Now(); now.Sub(p.run.savedAt) >= saveInterval {
		p.run.savedAt = now
		p.service.save(p.ctx, p.run)
	}
}
