package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// document is the body of a request.
type document map[string]any

// apiClient speaks with the management listener as a script would.
type apiClient struct {
	base, token string
	http        *http.Client
}

// newAPIClient returns a client of the API at the base URL, which waits for a
// reply as long as it has patience. It follows no redirect: the token is for one
// place.
func newAPIClient(base, token string, patience time.Duration) *apiClient {
	transport := &http.Transport{ResponseHeaderTimeout: patience}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &apiClient{base: base, token: token, http: &http.Client{Transport: transport, CheckRedirect: stay}}
}

func (c *apiClient) close() { c.http.CloseIdleConnections() }

// read fetches a document.
func (c *apiClient) read(ctx context.Context, path string, into any) error {
	_, err := c.do(ctx, http.MethodGet, path, nil, into)
	return err
}

// ask sends a question that changes nothing, and fetches the answer.
func (c *apiClient) ask(ctx context.Context, path string, question document, into any) error {
	_, err := c.do(ctx, http.MethodPost, path, question, into)
	return err
}

// write changes something, and returns when the change is in force.
func (c *apiClient) write(ctx context.Context, method, path string, body document) error {
	if method != http.MethodPost {
		path += "?wait=10s"
	}
	header, err := c.do(ctx, method, path, body, nil)
	if err != nil {
		return err
	}
	committed, applied := revisionsOf(header)
	if applied < committed {
		return fmt.Errorf("%s %s: revision %d is not in force, but %d", method, path, committed, applied)
	}
	return nil
}

// revisionsOf reads how far a write has come.
func revisionsOf(header http.Header) (committed, applied int) {
	committed, _ = strconv.Atoi(header.Get("Revision-Committed"))
	applied, _ = strconv.Atoi(header.Get("Revision-Applied"))
	return committed, applied
}

func (c *apiClient) do(ctx context.Context, method, path string, body document, into any) (http.Header, error) {
	request, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	return c.carry(request, into)
}

// carry sends a request in the name of the token and reads the answer.
func (c *apiClient) carry(request *http.Request, into any) (http.Header, error) {
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		path := strings.TrimPrefix(request.URL.RequestURI(), "/api/v1")
		return nil, fmt.Errorf("%s %s: %w", request.Method, path, readProblem(response.Body))
	}
	if into == nil {
		return response.Header, nil
	}
	return response.Header, json.NewDecoder(response.Body).Decode(into)
}

func (c *apiClient) request(ctx context.Context, method, path string, body document) (*http.Request, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	switch {
	case method == http.MethodPatch:
		request.Header.Set("Content-Type", "application/merge-patch+json")
	case body != nil:
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// readProblem makes an error of a problem document (RFC 9457).
func readProblem(body io.Reader) error {
	var problem struct {
		Title, Detail string
		Errors        []struct{ Pointer, Message string }
	}
	if err := json.NewDecoder(body).Decode(&problem); err != nil {
		return fmt.Errorf("the problem cannot be read: %w", err)
	}
	text := problem.Title + ": " + problem.Detail
	for _, e := range problem.Errors {
		text += fmt.Sprintf(" (%s %s)", e.Pointer, e.Message)
	}
	return errors.New(text)
}
