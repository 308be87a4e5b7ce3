package policy

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// AddsServers reports whether the profile leads to a server that the other does
// not lead to: another host, another port, or the same by another scheme, which
// may lack TLS. A secret that was given for the one must not go to the other
// unasked (B32).
func (p ServerProfile) AddsServers(other ServerProfile) bool {
	known := other.servers()
	return slices.ContainsFunc(p.servers(), func(s string) bool { return !slices.Contains(known, s) })
}

// servers lists scheme, host and port of each URI, in one form however they are
// written; what is no URI of the type is left out.
func (p ServerProfile) servers() (list []string) {
	if p.Type == ServerCore {
		for _, u := range CoreProfile(p).Endpoints() {
			list = append(list, serverOf(u, map[string]string{schemeHTTP: "80", schemeHTTPS: "443"}[u.Scheme]))
		}
		return list
	}
	for _, e := range p.Endpoints() {
		host := e.Host.String()
		if e.Addr.IsValid() {
			host = e.Addr.String()
		}
		list = append(list, strings.Join([]string{strconv.FormatBool(e.ImplicitTLS), host, strconv.Itoa(e.Port)}, " "))
	}
	return list
}

func serverOf(u *url.URL, defaultPort string) string {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return strings.Join([]string{u.Scheme, host, cmp.Or(u.Port(), defaultPort)}, " ")
}
