package main

import (
	"context"
	"fmt"
	"sync"
)

// background runs the loops that follow state, and ends them together.
type background struct {
	once    sync.Once
	running sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
}

// run starts a loop that ends with its context.
func (b *background) run(loop func(context.Context)) {
	b.once.Do(func() { b.ctx, b.cancel = context.WithCancel(context.Background()) })
	b.running.Go(func() { loop(b.ctx) })
}

// stop ends the loops and waits for them.
func (b *background) stop(ctx context.Context) error {
	b.cancel()
	ended := make(chan struct{})
	go func() {
		b.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("background work has not ended: %w", ctx.Err())
	}
}
