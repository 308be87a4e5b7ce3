package main

import (
	"net"
	"net/netip"
)

// localAddrs returns the addresses of this machine, by which an MX record may
// point back at us (B33).
func localAddrs() []netip.Addr {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var addrs []netip.Addr
	for _, i := range interfaces {
		if prefix, err := netip.ParsePrefix(i.String()); err == nil {
			addrs = append(addrs, prefix.Addr().Unmap())
		}
	}
	return addrs
}
