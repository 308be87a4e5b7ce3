package config

import (
	"context"
	"sync"
)

// reload compiles the newest configuration from the store and publishes it.
func (s *Service) reload(ctx context.Context) error {
	builder, revision, err := s.load(ctx)
	if err != nil {
		return err
	}
	if err := s.loadPending(ctx); err != nil {
		return err
	}
	s.publish(builder.done(revision))
	return nil
}

// loadChunk is how many items are handed on together.
const loadChunk = 1000

// load reads all items, decodes them and puts them into a snapshot: three
// steps side by side, as a million items take seconds.
func (s *Service) load(ctx context.Context) (*builder, int64, error) {
	builder := new(Snapshot).succeed()
	builder.next.Settings = defaultSettings()
	items, values := make(chan []Item), make(chan []decoded)
	var revision int64
	steps, ctx := sideBySide(ctx)
	steps.run(func() (err error) {
		defer close(items)
		revision, err = s.read(ctx, items)
		return err
	})
	steps.run(func() error {
		defer close(values)
		for chunk := range items {
			list, err := decodeAll(chunk)
			if err != nil {
				return err
			}
			if err := hand(ctx, values, list); err != nil {
				return err
			}
		}
		return nil
	})
	steps.run(func() error {
		for chunk := range values {
			for _, d := range chunk {
				if err := builder.put(d.Kind, d.Key, d.value); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return builder, revision, steps.wait()
}

// steps are functions that run side by side; the first error ends their context.
type steps struct {
	running sync.WaitGroup
	ctx     context.Context
	fail    context.CancelCauseFunc
}

func sideBySide(ctx context.Context) (*steps, context.Context) {
	ctx, fail := context.WithCancelCause(ctx)
	return &steps{ctx: ctx, fail: fail}, ctx
}

func (s *steps) run(step func() error) {
	s.running.Go(func() {
		if err := step(); err != nil {
			s.fail(err)
		}
	})
}

// wait waits for all and returns the first error.
func (s *steps) wait() error {
	s.running.Wait()
	err := context.Cause(s.ctx)
	s.fail(nil) // nothing waits for the context any more
	return err
}

// read hands all items on and returns their revision.
func (s *Service) read(ctx context.Context, to chan<- []Item) (int64, error) {
	chunk := make([]Item, 0, loadChunk)
	revision, err := s.store.Load(ctx, func(i Item) error {
		if chunk = append(chunk, i); len(chunk) < loadChunk {
			return nil
		}
		full := chunk
		chunk = make([]Item, 0, loadChunk)
		return hand(ctx, to, full)
	})
	if err != nil {
		return 0, err
	}
	return revision, hand(ctx, to, chunk)
}

// hand gives a chunk to the next step, unless the context ends before.
func hand[T any](ctx context.Context, to chan<- T, chunk T) error {
	select {
	case to <- chunk:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// decoded is an item with its value.
type decoded struct {
	Ref
	value Value
}

func decodeAll(items []Item) ([]decoded, error) {
	list := make([]decoded, len(items))
	for i, item := range items {
		v, err := decode(item.Kind, item.Key, item.Document)
		if err != nil {
			return nil, err
		}
		list[i] = decoded{Ref{item.Kind, item.Key}, v}
	}
	return list, nil
}
