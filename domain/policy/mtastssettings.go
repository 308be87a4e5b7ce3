package policy

import "postern/domain"

// MTASTSSettings are the switches of MTA-STS (B5).
type MTASTSSettings struct {
	// Enabled has the MTA-STS policies of recipient domains looked up and obeyed (B60).
	Enabled bool `json:"enabled"`
}

// DefaultMTASTSSettings are those of a fresh installation (B5).
func DefaultMTASTSSettings() MTASTSSettings { return MTASTSSettings{Enabled: true} }

// Validate reports every broken rule of the settings: there is none to break.
func (MTASTSSettings) Validate() domain.Faults { return nil }
