package xmlrpc

import (
	"context"

	"postern/domain/account"
	"postern/domain/config"
)

// Configuration is the service of all settings; postern/domain/config
// implements it.
type Configuration interface {
	Snapshot() *config.Snapshot
	Get(ctx context.Context, kind config.Kind, key string) (config.Item, config.Value, error)
	Commit(ctx context.Context, c config.Change) (config.Result, error)
	// WaitApplied returns nil once the revision is in force.
	WaitApplied(ctx context.Context, revision int64) error
}

type gatewayMethods struct {
	version       string
	configuration Configuration
}

func (g gatewayMethods) table() []method {
	return []method{
		{
			name:   "gateway.version",
			help:   "Returns the version of the gateway.",
			result: "string",
			role:   account.RoleViewer,
			call:   g.getVersion,
		},
		{
			name:   "gateway.default_fqdn",
			help:   "Returns the host name under which the gateway presents itself to other mail servers: the main name of its certificate.",
			result: "string",
			role:   account.RoleViewer,
			call:   g.defaultFQDN,
		},
	}
}

func (g gatewayMethods) getVersion(context.Context, invocation) (any, error) {
	return g.version, nil
}

// defaultFQDN is the main name that certificates are requested for (B48, B49).
func (g gatewayMethods) defaultFQDN(context.Context, invocation) (any, error) {
	return g.configuration.Snapshot().Settings.Outbound.HostName.String(), nil
}
