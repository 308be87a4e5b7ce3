package main

import (
	"cmp"
	"slices"
	"time"
)

// latency is a distribution in milliseconds.
type latency struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func latencyOf(times []time.Duration) latency {
	if len(times) == 0 {
		return latency{}
	}
	slices.Sort(times)
	return latency{P50: milliseconds(quantile(times, 0.50)), P99: milliseconds(quantile(times, 0.99)), Max: milliseconds(times[len(times)-1])}
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// quantile returns the nearest rank of an ascending, non-empty list.
func quantile[T any](ascending []T, q float64) T {
	return ascending[int(q*float64(len(ascending)-1)+0.5)]
}

// median returns the middle of what the runs say; 0 where there are none.
func median[R any, T cmp.Ordered](runs []R, figure func(R) T) T {
	var zero T
	if len(runs) == 0 {
		return zero
	}
	values := make([]T, len(runs))
	for i, r := range runs {
		values[i] = figure(r)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// ratio returns a to b, 0 where there is nothing to compare with.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
