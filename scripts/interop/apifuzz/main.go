// Command apifuzz asks every operation of a gateway that runs, right and wrong,
// and fails on each reply that the OpenAPI document does not describe (see
// postern/api/rest/apifuzz).
//
// It changes the configuration at random: only for gateways made for it.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"postern/api/rest/apifuzz"
)

func main() {
	url := flag.String("url", "", "where the API is, such as http://127.0.0.1:8025")
	tokens := flag.String("tokens", "", "file with a token of an administrator on each line")
	seed := flag.Uint64("seed", 1, "chooses the requests and their order")
	each := flag.Int("each", 0, "how many requests an operation gets at most; 0: all there are")
	flag.Parse()
	if err := run(*url, *tokens, apifuzz.Options{Seed: *seed, PerOperation: *each, Pins: apifuzz.Loopback}); err != nil {
		fmt.Fprintln(os.Stderr, "apifuzz:", err)
		os.Exit(1)
	}
}

func run(url, tokens string, options apifuzz.Options) error {
	text, err := os.ReadFile(tokens)
	if err != nil {
		return err
	}
	began := time.Now()
	report, err := apifuzz.Run(context.Background(), apifuzz.Target{
		URL: url, Tokens: strings.Fields(string(text)),
		Client: &http.Client{
			Timeout:       2 * time.Minute,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, options)
	for _, finding := range report.Findings {
		fmt.Fprintln(os.Stderr, finding)
	}
	fmt.Printf("%d operations, %d requests in %s, %d findings, replies %v\n",
		report.Operations, report.Requests, time.Since(began).Round(time.Second), len(report.Findings), report.Statuses)
	if err == nil && len(report.Findings) > 0 {
		err = fmt.Errorf("%d replies are not as documented", len(report.Findings))
	}
	return err
}
