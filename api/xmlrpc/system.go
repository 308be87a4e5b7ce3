package xmlrpc

import (
	"context"
	"maps"
	"slices"
)

// systemMethods are those that XML-RPC servers share by convention. They are
// public, as the methods' descriptions are no secret, and generic clients ask
// for them before they know any credentials.
func (s *Server) systemMethods() []method {
	name := []param{{name: "name", typ: typeString, help: "Name of a method."}}
	return []method{
		{name: "system.listMethods", result: "array", call: s.listMethods, help: "Returns the names of all methods."},
		{name: "system.methodSignature", result: "array", params: name, call: s.methodSignature, help: "Returns the forms in which a method can be called: arrays of type names, the result first."},
		{name: "system.methodHelp", result: "string", params: name, call: s.methodHelp, help: "Returns what a method does and what its arguments mean."},
		{name: "system.getCapabilities", result: "struct", call: capabilities, help: "Returns the extensions of XML-RPC that are understood here."},
		{
			name:   multicallName,
			help:   "Makes several calls in order. Returns an array with one entry for each: an array with its result, or a fault struct. Calls with a session carry it each.",
			result: "array",
			params: []param{{name: "calls", typ: typeArray, help: "Structs with the members methodName (string) and params (array), at most 100."}},
			call:   s.multicall,
		},
	}
}

func (s *Server) listMethods(context.Context, invocation) (any, error) {
	return slices.Sorted(maps.Keys(s.methods)), nil
}

func (s *Server) methodSignature(_ context.Context, in invocation) (any, error) {
	m, err := s.described(in)
	if err != nil {
		return nil, err
	}
	return m.signatures(), nil
}

func (s *Server) methodHelp(_ context.Context, in invocation) (any, error) {
	m, err := s.described(in)
	if err != nil {
		return nil, err
	}
	return m.text(), nil
}

// described returns the method that the caller asks about.
func (s *Server) described(in invocation) (*method, error) {
	name := arg[string](in.args, "name")
	m, ok := s.methods[name]
	if !ok {
		return nil, &fault{code: codeUnknownMethod, text: "unknown method " + clip(name)}
	}
	return m, nil
}

// capabilities follows the draft of system.getCapabilities: for each capability
// where it is specified and in which version.
func capabilities(context.Context, invocation) (any, error) {
	capability := func(url string, version int) map[string]any {
		return map[string]any{"specUrl": url, "specVersion": version}
	}
	return map[string]any{
		"xmlrpc":           capability("http://www.xmlrpc.com/spec", 1),
		"introspection":    capability("http://xmlrpc-c.sourceforge.net/introspection.html", 1),
		"system.multicall": capability("http://www.xmlrpc.com/discuss/msgReader$1208", 1),
		"faults_interop":   capability("http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20010516),
		"nil":              capability("http://www.ontosys.com/xml-rpc/extensions.php", 1),
	}, nil
}
