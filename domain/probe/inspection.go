package probe

import "time"

// Inspection is a live test of a core profile: what each of its servers did with
// a harmless text (B32, B34).
type Inspection struct {
	Profile string
	Servers []InspectedServer // in the order of the profile's URIs
}

// InspectedServer is the test of one server.
type InspectedServer struct {
	URI   string
	Steps []InspectionStep // in order, up to the first that failed
}

// InspectionStep is one stage of a test.
type InspectionStep struct {
	Stage  InspectionStage
	OK     bool
	Detail string // what was found, or why it failed
	Took   time.Duration
}

// InspectionStage is how far a test has come.
type InspectionStage string

// The stages, in order.
const (
	InspectionConnect InspectionStage = "connect" // name look-up and TCP
	InspectionTLS     InspectionStage = "tls"     // handshake and verification; https only
	InspectionSubmit  InspectionStage = "submit"  // POST /file
	InspectionResult  InspectionStage = "result"  // GET /file/{data_id} up to the verdict
)

// Passed reports whether the server let the text pass in the end.
func (s InspectedServer) Passed() bool {
	n := len(s.Steps)
	return n > 0 && s.Steps[n-1].Stage == InspectionResult && s.Steps[n-1].OK
}

// Passed reports whether every server let the text pass.
func (i Inspection) Passed() bool {
	for _, s := range i.Servers {
		if !s.Passed() {
			return false
		}
	}
	return len(i.Servers) > 0
}
