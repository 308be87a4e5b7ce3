package rest

import (
	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// ACMEUpdate says how the answers to dns-01 challenges are put into a zone by dynamic update (RFC 2136), signed by a TSIG key (RFC 8945).
type ACMEUpdate struct {
	// Server is the primary server of the zone, with its port; empty: no dynamic update.
	Server string `json:"server" maxLength:"255"`
	// Zone holds the records; empty: the nearest zone above the name that the server holds.
	Zone mailaddr.DomainName `json:"zone" swaggertype:"string"`
	// KeyName is the name of the TSIG key.
	KeyName mailaddr.DomainName `json:"key_name" swaggertype:"string"`
	// Algorithm of the key.
	Algorithm string `json:"algorithm" enums:"hmac-sha256,hmac-sha384,hmac-sha512"`
	// Secret of the key in base64; write-only: it is sealed and never shown. A write without it keeps the one that is stored, as long as server and key_name stay.
	Secret string `json:"secret,omitempty" format:"password" maxLength:"1024"`
	// SecretSet says that a secret is stored; it is not read in requests.
	SecretSet bool `json:"secret_set,omitempty" readonly:"true"`
	// ServerOnly waits until this server gives a record out, instead of every server of the zone.
	ServerOnly bool `json:"server_only"`
	// WaitSeconds bounds how long servers are waited for; 0: 120.
	WaitSeconds int `json:"wait_seconds" minimum:"0" maximum:"600"`

	secretID string // of the sealed secret
}

// ACMEHook is a program that puts the answers to dns-01 challenges into a zone. It is called with "present" or "cleanup", the name of the record with a dot at its end, and its text. No shell reads them.
type ACMEHook struct {
	// Path of the program, absolute; empty: none. Nobody but root and the user of the gateway may be able to write it.
	Path string `json:"path" maxLength:"255"`
	// TimeoutSeconds bounds one call; 0: 120.
	TimeoutSeconds int `json:"timeout_seconds" minimum:"0" maximum:"600"`
}

func readACMEUpdate(u ACMEUpdate) policy.ACMEUpdate {
	read := policy.ACMEUpdate{
		Server: u.Server, Zone: u.Zone, KeyName: u.KeyName, Algorithm: u.Algorithm, KeySecretID: u.secretID,
		ServerOnly: u.ServerOnly, WaitSeconds: u.WaitSeconds,
	}
	read.Algorithm = read.MAC() // what is left out is written down
	return read
}

func showACMEUpdate(u policy.ACMEUpdate) ACMEUpdate {
	return ACMEUpdate{
		Server: u.Server, Zone: u.Zone, KeyName: u.KeyName, Algorithm: u.MAC(), SecretSet: u.KeySecretID != "",
		ServerOnly: u.ServerOnly, WaitSeconds: u.WaitSeconds,
	}
}

// sealACMEUpdate puts the reference to the secret of the key into the document. A
// secret that is stored is not sent to another server by whoever does not know it.
func sealACMEUpdate(u ACMEUpdate, stored policy.ACMEUpdate, keep keeper) (_ ACMEUpdate, faults domain.Faults, err error) {
	switch {
	case u.Secret != "":
		if _, ok := policy.ParseTSIGKey(u.Secret); !ok {
			faults.Add("/secret", "must be a key in base64, of 16 octets at least, as tsig-keygen or keymgr prints it")
		}
		u.secretID, err = keep(u.Secret, stored.KeySecretID)
	case u.KeyName != "" && u.KeyName == stored.KeyName && u.Server == stored.Server:
		u.secretID = stored.KeySecretID
	}
	u.Secret = ""
	return u, faults, err
}
