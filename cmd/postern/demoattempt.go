package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postern/domain/delivery"
)

// attempt is the record of one try to deliver, as far as the demo shows it.
type attempt struct {
	TLS      delivery.SessionTLS `json:"tls"`
	Decision struct {
		Level   string `json:"tls_level"`
		Reasons []struct {
			Rule, Entry string
			OverruledBy string `json:"overruled_by"`
		} `json:"reasons"`
	} `json:"decision"`
	Results []struct {
		Outcome struct {
			Status, Enhanced, Text string
			Code                   int
			Remote                 bool
		} `json:"outcome"`
	} `json:"results"`
}

// attemptPause is how long to wait before asking for an attempt again.
const attemptPause = 50 * time.Millisecond

// attempt returns the nth attempt at a message, counted from 1, once it is over.
func (c *apiClient) attempt(ctx context.Context, id string, n int) (attempt, error) {
	ticker := time.NewTicker(attemptPause)
	defer ticker.Stop()
	for {
		var list struct{ Items []attempt }
		if err := c.read(ctx, "/messages/"+id+"/attempts", &list); err != nil {
			return attempt{}, err
		}
		if len(list.Items) >= n && len(list.Items[n-1].Results) > 0 {
			return list.Items[n-1], nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return attempt{}, fmt.Errorf("message %s has %d attempts, not %d: %w", id, len(list.Items), n, ctx.Err())
		}
	}
}

// reasons lists the rules that apply, each with the entry that matched.
func (a attempt) reasons() []string {
	reasons := []string{}
	for _, r := range a.Decision.Reasons {
		if r.OverruledBy == "" {
			reasons = append(reasons, strings.TrimSpace(r.Rule+" "+r.Entry))
		}
	}
	return reasons
}

// result says in a few words how the attempt ended.
func (a attempt) result() string {
	outcome := a.Results[0].Outcome
	switch reason, _, _ := strings.Cut(a.TLS.Verification, ":"); {
	case !a.TLS.Encrypted() && a.delivered():
		return "delivered in clear"
	case !a.TLS.Encrypted():
		return outcome.Status + " " + outcome.Enhanced
	case !a.delivered():
		return outcome.Status + " " + outcome.Enhanced + ", " + reason
	case a.TLS.Verified:
		return "delivered over TLS, verified"
	default:
		return "delivered over TLS, " + reason
	}
}

func (a attempt) delivered() bool {
	return a.Results[0].Outcome.Status == delivery.Delivered.String()
}

// detail is the outcome in words: the peer's, which begin with its codes, or
// the gateway's.
func (a attempt) detail() string {
	outcome := a.Results[0].Outcome
	if outcome.Remote {
		return outcome.Text
	}
	return fmt.Sprintf("%d %s %s", outcome.Code, outcome.Enhanced, outcome.Text)
}
