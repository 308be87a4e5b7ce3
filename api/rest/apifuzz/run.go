package apifuzz

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/api/rest/contract"
)

// Target is a gateway that runs.
type Target struct {
	// URL is where its API is, such as http://127.0.0.1:8025.
	URL string
	// Tokens are those of administrators; they are used in turn, so that no one
	// comes near its rate.
	Tokens []string
	Client *http.Client
}

// Options say what is asked.
type Options struct {
	Seed uint64
	// PerOperation bounds the requests to one operation; 0 sends all.
	PerOperation int
	// Skip leaves operations out; nil leaves out none.
	Skip func(contract.Operation) bool
	// Pins keep what is configured from reaching further than it should.
	Pins Pins
}

// Finding is a reply that must not be.
type Finding struct {
	Operation, Trial string
	Request, Reply   string
	Status           int
	Fault            string
}

// String tells all that is needed to repeat it.
func (f Finding) String() string {
	return fmt.Sprintf("%s, %s: %s\n  > %s\n  < %d %s", f.Operation, f.Trial, f.Fault, f.Request, f.Status, f.Reply)
}

// Report is what came of a run.
type Report struct {
	Operations, Requests int
	// Statuses counts the replies.
	Statuses map[int]int
	Findings []Finding
}

// runner is a run under way.
type runner struct {
	target   Target
	options  Options
	contract *contract.Contract
	random   *rand.Rand
	names    map[string][]string
	report   Report
	turn     int
}

// Run asks every operation. It fails where the gateway cannot be reached; what
// is wrong with its replies is in the report.
func Run(ctx context.Context, target Target, options Options) (Report, error) {
	c, err := contract.Load()
	if err != nil {
		return Report{}, err
	}
	r := &runner{
		target: target, options: options, contract: c,
		random: rand.New(rand.NewPCG(options.Seed, 1)),
		names:  map[string][]string{}, report: Report{Statuses: map[int]int{}},
	}
	for _, operation := range r.operations() {
		if err := r.learn(ctx, operation); err != nil {
			return r.report, err
		}
	}
	for _, operation := range r.operations() {
		if err := r.ask(ctx, operation); err != nil {
			return r.report, fmt.Errorf("%s: %w", operation.OperationID, err)
		}
	}
	return r.report, nil
}

// operations returns those that are asked, with deletions last.
func (r *runner) operations() []contract.Operation {
	all := r.contract.Operations()
	if r.options.Skip != nil {
		all = slices.DeleteFunc(all, r.options.Skip)
	}
	isDeletion := func(o contract.Operation) bool { return o.Method == http.MethodDelete }
	slices.SortStableFunc(all, func(a, b contract.Operation) int {
		switch {
		case isDeletion(a) == isDeletion(b):
			return 0
		case isDeletion(a):
			return 1
		}
		return -1
	})
	return all
}

// learn reads the names of what exists from a list, except of tokens, which are
// ours. A member is the key of an item if the path below the list is named after
// it.
func (r *runner) learn(ctx context.Context, list contract.Operation) error {
	if list.Method != http.MethodGet || strings.Contains(list.Path, "{") || list.Path == "/tokens" {
		return nil
	}
	parameter := ""
	for _, o := range r.contract.Operations() {
		if rest, ok := strings.CutPrefix(o.Path, list.Path+"/{"); ok && strings.HasSuffix(rest, "}") {
			parameter = strings.TrimSuffix(rest, "}")
		}
	}
	if parameter == "" {
		return nil
	}
	got, err := r.send(ctx, request{method: list.Method, path: contract.BasePath + list.Path, header: http.Header{}})
	if err != nil {
		return err
	}
	var page struct{ Items []map[string]any }
	if json.Unmarshal(got.body, &page) != nil {
		return nil // a single document
	}
	for _, item := range page.Items[:min(len(page.Items), 5)] {
		if key, ok := item[parameter]; ok {
			r.names[list.Path] = append(r.names[list.Path], fmt.Sprint(key))
		}
	}
	return nil
}

// ask sends the trials of an operation, in an order that the seed gives.
func (r *runner) ask(ctx context.Context, operation contract.Operation) error {
	m := maker{operation: operation, names: maps.Clone(r.names), pins: r.options.Pins, random: r.random}
	trials := m.trials()
	slices.SortStableFunc(trials, func(a, b trial) int { return strings.Compare(a.name, b.name) })
	r.random.Shuffle(len(trials), func(i, j int) { trials[i], trials[j] = trials[j], trials[i] })
	if n := r.options.PerOperation; n > 0 {
		trials = trials[:min(n, len(trials))]
	}
	r.report.Operations++
	for _, t := range trials {
		got, err := r.send(ctx, t.request)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		r.report.Requests++
		r.report.Statuses[got.head.StatusCode]++
		if fault := r.judge(t, got); fault != nil {
			r.report.Findings = append(r.report.Findings, Finding{
				Operation: operation.OperationID, Trial: t.name, Status: got.head.StatusCode, Fault: fault.Error(),
				Request: fmt.Sprintf("%s %s?%s %q %s", t.request.method, shorten(t.request.path, 300), shorten(t.request.query, 300), t.request.header, shorten(string(t.request.body), 600)),
				Reply:   shorten(string(got.body), 600),
			})
		}
	}
	return nil
}

// answer is a reply that was read whole.
type answer struct {
	head *http.Response
	body []byte
}

// maxTries is how often a request is sent that came too fast.
const maxTries = 5

// send sends a request and reads the reply, which is asked for again where the
// rate of the caller did not allow it.
func (r *runner) send(ctx context.Context, q request) (answer, error) {
	for try := 1; ; try++ {
		got, err := r.sendOnce(ctx, q)
		if err != nil || got.head.StatusCode != http.StatusTooManyRequests || q.anonymous || try == maxTries {
			return got, err
		}
		select {
		case <-ctx.Done():
			return answer{}, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (r *runner) sendOnce(ctx context.Context, q request) (answer, error) {
	target := r.target.URL + q.path
	if q.query != "" {
		target += "?" + q.query
	}
	message, err := http.NewRequestWithContext(ctx, q.method, target, bytes.NewReader(q.body))
	if err != nil {
		return answer{}, err
	}
	message.Header = q.header.Clone()
	if !q.anonymous {
		r.turn++
		message.Header.Set("Authorization", "Bearer "+r.target.Tokens[r.turn%len(r.target.Tokens)])
	}
	response, err := r.target.Client.Do(message)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answer{response, body}, err
}
