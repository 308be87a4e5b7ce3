package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// account counts how often each recipient was delivered.
type account struct {
	mu    sync.Mutex
	taken map[string]int
}

func (l *account) key(id delivery.MessageID, i int) string { return fmt.Sprintf("%s/%d", id, i) }

// answer is that of a peer in a bad mood.
func (l *account) answer(m *delivery.Message, i int) delivery.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch rand.IntN(6) {
	case 0:
		return later
	case 1:
		return gone
	case 2:
		return noTLS
	}
	l.taken[l.key(m.ID, i)]++
	return taken
}

// atRandom groups recipients in some way.
func atRandom(m *delivery.Message, recipients []int) [][]int {
	groups := make([][]int, 3)
	for _, i := range recipients {
		g := (int(m.ID) + i) % 3
		groups[g] = append(groups[g], i)
	}
	return groups
}

func TestNothingIsLostOrDoubled(t *testing.T) {
	// B74: with moody peers, a disk that fills up, an administrator who does not
	// leave mail alone, and restarts.
	inBubble(t, func(r *rig) {
		r.settings(func(s *policy.QueueSettings) {
			s.LifetimeSeconds, s.DelayNoticeSeconds, s.MaxDeliveries = 30*86400, 0, 20
		})
		l := &account{taken: map[string]int{}}
		r.peer.answer, r.peer.group, r.peer.latency = l.answer, atRandom, 3*time.Second
		var ids []delivery.MessageID
		for step := range 400 {
			m := r.message()
			for i := range 1 + rand.IntN(4) {
				m.Recipients = append(m.Recipients, delivery.Recipient{
					Address: mailaddr.Mailbox{Local: "u", Domain: mailaddr.DomainName(fmt.Sprintf("d%d.example", (step*7+i*rand.IntN(3))%9))},
				})
			}
			if r.Enqueue(context.Background(), m) == nil {
				ids = append(ids, m.ID)
			}
			r.meddle(step, ids)
			r.wait(time.Duration(rand.IntN(20)) * time.Second)
		}
		r.calmDown()
		r.checkLedger(l, ids)
	})
}

// meddle does what administrators and disks do.
func (r *rig) meddle(step int, ids []delivery.MessageID) {
	r.t.Helper()
	actions := []delivery.Action{delivery.ActionHold, delivery.ActionRelease, delivery.ActionRetry, delivery.ActionRetry}
	if len(ids) > 0 && step%2 == 0 {
		action, id := actions[rand.IntN(len(actions))], ids[rand.IntN(len(ids))]
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := r.Act(ctx, "anna", action, id)
		if kind := domain.KindOf(err); err != nil && kind != domain.Unavailable && kind != domain.Conflict {
			r.t.Error(err)
		}
	}
	switch step % 100 {
	case 40:
		r.store.setFull(domain.E(domain.Unavailable, "the disk is full"))
	case 44:
		r.store.setFull(nil)
	case 80:
		if err := r.stop(); err != nil {
			r.t.Error(err)
		}
		r.run()
	}
}

// calmDown lets everything come to its end.
func (r *rig) calmDown() {
	r.t.Helper()
	if _, err := r.ActOnAll(context.Background(), "anna", delivery.ActionRelease, delivery.MessageFilter{}); err != nil {
		r.t.Error(err)
	}
	r.wait(10 * 24 * time.Hour)
	synctest.Wait()
	r.wantQuiet()
	if s := r.Stats(); s.Waiting != 0 || s.Destinations != 0 {
		r.t.Errorf("at the end: %+v", s)
	}
}

func (r *rig) checkLedger(l *account, ids []delivery.MessageID) {
	r.t.Helper()
	if len(ids) < 300 {
		r.t.Errorf("only %d messages were accepted", len(ids))
	}
	for _, id := range ids {
		for i := range r.store.get(id).Recipients {
			if n := l.taken[l.key(id, i)]; n != 1 {
				r.t.Errorf("recipient %d of %s was delivered %d times", i, id, n)
			}
		}
	}
}
