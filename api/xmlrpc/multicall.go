package xmlrpc

import "context"

// maxCalls bounds one multicall.
const maxCalls = 100

const multicallName = "system.multicall"

// multicall makes each call as if it had come alone: it is authenticated,
// checked and logged by itself, and its fault is its own.
func (s *Server) multicall(ctx context.Context, in invocation) (any, error) {
	calls := arg[[]any](in.args, "calls")
	if len(calls) > maxCalls {
		return nil, &fault{code: codeBadParams, text: "a multicall holds at most 100 calls"}
	}
	results := make([]any, len(calls))
	for i, entry := range calls {
		// The client has gone, or the gateway stops: the rest would be in vain.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		results[i] = s.oneOfMany(ctx, in.caller, entry)
	}
	return results, nil
}

// oneOfMany returns the entry of the result for one call: an array that holds
// the result alone, or the struct of a fault.
func (s *Server) oneOfMany(ctx context.Context, c *caller, entry any) any {
	call, err := callOf(entry)
	if err != nil {
		return faultStruct(err)
	}
	result, err := s.perform(ctx, c, call)
	if err != nil {
		return faultStruct(err)
	}
	return []any{result}
}

// callOf reads an entry of a multicall.
func callOf(entry any) (methodCall, error) {
	members, _ := entry.(map[string]any)
	name, named := members["methodName"].(string)
	params, listed := members["params"].([]any)
	if !named || !listed || len(members) != 2 {
		return methodCall{}, &fault{code: codeBadParams, text: "a call of a multicall is a struct with methodName (string) and params (array)"}
	}
	if err := checkMethodName(name); err != nil {
		return methodCall{}, err
	}
	if name == multicallName {
		return methodCall{}, &fault{code: codeBadParams, text: "a multicall cannot hold another"}
	}
	return methodCall{name: name, params: params}, nil
}

func faultStruct(err error) map[string]any {
	f := faultOf(err)
	return map[string]any{"faultCode": f.code, "faultString": f.text}
}
