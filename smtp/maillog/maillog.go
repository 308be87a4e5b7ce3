// Package maillog holds the fields that the mail log's line about a connection
// has: the same names, values and order for both directions, so that one query
// finds them all (B68). The README lists them.
package maillog

import (
	"log/slog"

	"postern/domain/tlsreport"
)

// Connection returns the fixed fields. Address is the peer's, with the port
// where we chose it. Failure says why the connection, or its TLS, came to
// nothing; peer text in it is quoted and bounded by then.
func Connection(c tlsreport.Connection, address, failure string, revision int64) []slog.Attr {
	return []slog.Attr{
		slog.String("event", "connection"),
		slog.String("direction", string(c.Direction)),
		slog.String("address", address),
		slog.String("domain", c.Domain),
		slog.String("requirement", string(c.Requirement)),
		slog.String("tls", string(c.Result)),
		slog.String("tls_version", c.TLS.Version),
		slog.String("cipher", c.TLS.Cipher),
		slog.Bool("verified", c.TLS.Verified),
		slog.String("verification", c.TLS.Verification),
		slog.String("error", failure),
		slog.Int64("revision", revision),
	}
}
