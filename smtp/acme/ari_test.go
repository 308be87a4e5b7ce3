package acme

import (
	"crypto/x509"
	"math/big"
	"testing"
)

// RFC 9773 §4.1: the example.
func TestCertificateID(t *testing.T) {
	leaf := &x509.Certificate{
		AuthorityKeyId: []byte{
			0x69, 0x88, 0x5B, 0x6B, 0x87, 0x46, 0x40, 0x41, 0xE1, 0xB3,
			0x7B, 0x84, 0x7B, 0xA0, 0xAE, 0x2C, 0xDE, 0x01, 0xC8, 0xD4,
		},
		SerialNumber: big.NewInt(0x87654321),
	}
	if got, want := certificateID(leaf), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
