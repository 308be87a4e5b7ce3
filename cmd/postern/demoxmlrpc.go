package main

import (
	"fmt"

	"github.com/kolo/xmlrpc"
)

// activation is the answer of certificate.activate.
type activation struct {
	State   string `xmlrpc:"state"`
	Applied bool   `xmlrpc:"applied"`
}

// activateCertificate imports a certificate and activates it, by XML-RPC: log
// in, import, activate, log out.
func (c *apiClient) activateCertificate(certificate, key string) error {
	rpc, err := xmlrpc.NewClient(c.base+"/RPC2", c.http.Transport)
	if err != nil {
		return fmt.Errorf("make the XML-RPC client: %w", err)
	}
	defer func() { _ = rpc.Close() }() // nothing is under way
	var session string
	if err := rpc.Call("session.login", document{"user": "", "password": c.token}, &session); err != nil {
		return fmt.Errorf("session.login: %w", err)
	}
	var imported struct {
		ID string `xmlrpc:"id"`
	}
	if err := rpc.Call("certificate.import_pem", document{
		"session": session, "certificate": certificate, "private_key": key, "label": "demo",
	}, &imported); err != nil {
		return fmt.Errorf("certificate.import_pem: %w", err)
	}
	var done activation
	if err := rpc.Call("certificate.activate", document{"session": session, "id": imported.ID}, &done); err != nil {
		return fmt.Errorf("certificate.activate: %w", err)
	}
	if done.State != "active" || !done.Applied {
		return fmt.Errorf("certificate.activate: the certificate is %s, applied %t", done.State, done.Applied)
	}
	return rpc.Call("session.logout", document{"session": session}, nil)
}
