// Package xmlrpc is the XML-RPC front of the gateway: scripts that renew
// certificates speak it, because the language of every one of them has a client
// for it.
//
// An XML-RPC call is one HTTP POST whose body is a small XML document: a
// methodCall with a method name and a list of parameters. The answer is a
// methodResponse with exactly one value, or a fault: a number and a text. A
// fault travels under HTTP status 200, since HTTP did its part. Values are
// int, boolean, double, string, dateTime.iso8601, base64, struct and array, and
// by common extension nil and i8.
//
// The protocol has no own notion of authentication. Here a call brings HTTP
// credentials (Basic, or Bearer with a token), or the id that session.login
// gave out, as the struct member "session".
//
// The way of a call through the package: [Server] checks the HTTP side, the
// decoder makes a methodCall of the body within limits of size and depth, the
// method table finds the method and binds the arguments to its parameters, the
// method calls a service of the domain through a port declared here, and the
// encoder writes what comes back. Errors become faults in one table, fault.go.
// Nothing is decided here: the REST front calls the same services.
//
// Sources: the XML-RPC specification (http://xmlrpc.com/spec.md), "Specification
// for Fault Code Interoperability" (XMLRPC-EPI, 2001) for the negative codes, and
// the de-facto conventions for introspection (system.*), system.multicall and
// the nil extension.
package xmlrpc
