package smtptest_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postern/smtp/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failure is a testing.TB that keeps what a helper complains about.
type failure struct {
	testing.TB
	text string
}

func (f *failure) Helper()        {}
func (f *failure) Cleanup(func()) {}

func (f *failure) Fatal(args ...any) {
	f.text = fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *failure) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// complaint runs a helper and returns its complaint, or nothing.
func complaint(run func(tb testing.TB)) string {
	f := &failure{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(f)
	}()
	<-done
	return f.text
}

func TestEventually(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done atomic.Bool
		time.AfterFunc(3*time.Second, func() { done.Store(true) })
		start := time.Now()
		smtptest.Eventually(t, done.Load)
		if waited := time.Since(start); waited < 3*time.Second || waited > 3100*time.Millisecond {
			t.Errorf("waited %v for what took 3s", waited)
		}
		text := complaint(func(tb testing.TB) {
			smtptest.Eventually(tb, func() bool { return false }, "the impossible")
		})
		if text != "waited 10s in vain: the impossible" {
			t.Errorf("complaint %q", text)
		}
	})
}

func TestClock(t *testing.T) {
	clock := smtptest.NewClock()
	start := clock.Now()
	clock.Advance(time.Hour)
	if got := clock.Now().Sub(start); got != time.Hour {
		t.Errorf("the clock moved by %v", got)
	}
}
