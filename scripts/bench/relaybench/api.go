package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// api calls Postern's REST API.
type api struct {
	base, token string
	client      *http.Client
}

func newAPI(base, token string) *api {
	return &api{base: base, token: token, client: &http.Client{Timeout: 5 * time.Minute}}
}

// get reads a page below the root, such as /readyz.
func (a *api) get(ctx context.Context, path string) error {
	_, err := a.call(ctx, http.MethodGet, path, "", "")
	return err
}

// write changes something below /api/v1.
func (a *api) write(ctx context.Context, method, path, body string) error {
	_, err := a.call(ctx, method, "/api/v1"+path, mediaOf(method), body)
	return err
}

func mediaOf(method string) string {
	if method == http.MethodPatch {
		return "application/merge-patch+json"
	}
	return "application/json"
}

// read decodes what a call below /api/v1 answers.
func (a *api) read(ctx context.Context, method, path, body string, into any) error {
	answer, err := a.call(ctx, method, "/api/v1"+path, mediaOf(method), body)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

func (a *api) call(ctx context.Context, method, path, media, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	if body != "" {
		request.Header.Set("Content-Type", media)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.500s", method, path, response.Status, answer)
	}
	return answer, err
}

func splitPort(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}
