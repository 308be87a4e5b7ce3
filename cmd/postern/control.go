package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"postern/domain"
)

// controlName is the socket in the data directory by which "postern admin"
// reaches the gateway that has the directory open. The directory and the socket
// are the owner's alone, who could as well stop the gateway and open the
// database: the socket gives nobody more than that.
const controlName = "control.sock"

// controlReply is the gateway's answer.
type controlReply struct {
	Secret string `json:"secret,omitempty"`
	Error  string `json:"error,omitempty"`
}

// startControl serves the control socket. Without it the gateway does its work
// all the same.
func (a *App) startControl(ctx context.Context) {
	listener, err := listenControl(ctx, filepath.Join(a.options.DataDir, controlName))
	if err != nil {
		a.logger.Warn("the admin command cannot reach this gateway while it runs", "error", err.Error())
		return
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(a.control),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 4 << 10,
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.logger.Error("the control socket ended", "error", err.Error())
		}
	}()
	a.onStop(server.Shutdown)
}

// listenControl opens the socket for its owner only. One that is there already
// was left by a crash: the lock of the directory keeps a second gateway out.
func listenControl(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// maxControlBody bounds a request on the socket.
const maxControlBody = 8 << 10

// control does what a subcommand of admin asks for.
func (a *App) control(w http.ResponseWriter, r *http.Request) {
	var work adminWork
	var reply controlReply
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody)).Decode(&work)
	if err == nil {
		reply.Secret, err = work.do(r.Context(), a.accounts, a.audit)
	}
	if err != nil {
		reply.Error = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply) // who has gone needs no answer
}

// askGateway lets the running gateway do the work.
func askGateway(ctx context.Context, dataDir string, work *adminWork) (secret string, err error) {
	client := &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dataDir, controlName))
		}},
	}
	body, err := json.Marshal(work)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("another process has the data directory open, and does not answer on %s: %w", controlName, err)
	}
	defer response.Body.Close()
	var reply controlReply
	if err := json.NewDecoder(io.LimitReader(response.Body, maxControlBody)).Decode(&reply); err != nil {
		return "", domain.Wrap(err, "read the gateway's answer")
	}
	if reply.Error != "" {
		return "", errors.New(reply.Error)
	}
	return reply.Secret, nil
}
