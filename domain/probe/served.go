package probe

// ServedCertificate is what an endpoint of ours showed when we connected to it
// ourselves (B51).
type ServedCertificate struct {
	Endpoint   string // as a person names it: `listener "inbound"`
	Address    string // IP address and port
	ServerName string // SNI; empty: none was sent
	// Expected says that the certificate in question is to be served here, Served
	// that it was.
	Expected, Served bool
	CertificateID    string // of the one that was served; empty: none of ours
	Fingerprint      string // SHA-256 of its DER, hexadecimal; empty: none was served
	TLSVersion       string
	Problem          string // why none was served
}
