package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"postern/domain/probe"
)

// remoteFlags are those of the commands that ask a running gateway. Each can be
// given in the environment too, as POSTERN_ and its name in capitals.
type remoteFlags struct {
	api, token string
	json       bool
}

func (f *remoteFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.api, "api", "127.0.0.1:8025", "the gateway's API: an address, or a URL")
	flags.StringVar(&f.token, "token", "", "API token; rather set POSTERN_TOKEN, which other users of the machine do not see")
	flags.BoolVar(&f.json, "json", false, "print the API's answer as it is")
}

// patience is how long an answer may take: a live test has its own limit, after
// which connections are still closed with a word.
const patience = probe.MaxVerifyTime + 30*time.Second

// client returns a client of the API.
func (f *remoteFlags) client() (*apiClient, error) {
	base, err := baseURL(f.api)
	if err != nil {
		return nil, err
	}
	if f.token == "" {
		return nil, errors.New("an API token is needed: set POSTERN_TOKEN, or give --token")
	}
	return newAPIClient(base, f.token, patience), nil
}

// baseURL reads where the API is. The token goes there, so that clear HTTP is
// for this machine only.
func baseURL(api string) (string, error) {
	if !strings.Contains(api, "://") {
		api = "http://" + api
	}
	u, err := url.Parse(api)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("--api %q is neither an address nor a URL", api)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme != "http":
		return "", fmt.Errorf("--api %q is neither http nor https", api)
	case !isLoopback(u.Hostname()):
		return "", fmt.Errorf("--api %q would send the token over the network in clear: use https", api)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// answer is a document of the API, as it came and as it reads.
type answer interface {
	// write prints the document for a person.
	write(*strings.Builder)
}

// show asks the gateway and prints what it answers.
func (f *remoteFlags) show(c *cobra.Command, ask func(*apiClient, *json.RawMessage) error, read answer) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	defer client.close()
	return f.print(c, client, ask, read)
}

// print asks by the client and prints the answer.
func (f *remoteFlags) print(c *cobra.Command, client *apiClient, ask func(*apiClient, *json.RawMessage) error, read answer) error {
	var document json.RawMessage
	if err := ask(client, &document); err != nil {
		return failed(exitFailed, err)
	}
	if err := json.Unmarshal(document, read); err != nil {
		return failed(exitFailed, fmt.Errorf("the answer cannot be read: %w", err))
	}
	var text strings.Builder
	if f.json {
		text.Write(document)
		text.WriteByte('\n')
	} else {
		read.write(&text)
	}
	_, err := io.WriteString(c.OutOrStdout(), text.String())
	return failed(exitFailed, err)
}
