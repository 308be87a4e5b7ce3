package dns

import (
	"net"

	mdns "github.com/miekg/dns"
)

const systemConfig = "/etc/resolv.conf"

// SystemServers returns the resolvers that the machine is configured with, as
// "address:port". Where it names none, that is the one on this machine, as
// resolv.conf(5) has it.
func SystemServers() []string { return serversIn(systemConfig) }

func serversIn(file string) []string {
	config, err := mdns.ClientConfigFromFile(file)
	if err != nil || len(config.Servers) == 0 {
		return []string{"127.0.0.1:53"}
	}
	servers := make([]string, len(config.Servers))
	for i, address := range config.Servers {
		servers[i] = net.JoinHostPort(address, config.Port)
	}
	return servers
}
