package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/probe"
)

// ServerProfileTest is what a live test of a server profile found (B32).
type ServerProfileTest struct {
	// Profile that was tested.
	Profile string `json:"profile" validate:"required"`
	// Revision of the configuration that was tested.
	Revision int64 `json:"revision" validate:"required"`
	// Passed is whether mail could go to every URI.
	Passed bool `json:"passed"`
	// Tries are the connections that were made, in order; to one address there may be several, down the ladder.
	Tries []ServerProfileTry `json:"tries" validate:"required"`
}

// ServerProfileTry is one connection of a test.
type ServerProfileTry struct {
	// Host of the URI.
	Host string `json:"host" validate:"required"`
	// Address with the port; absent where the look-up failed.
	Address string `json:"address,omitempty"`
	// Passed is whether the connection was ready for mail.
	Passed bool `json:"passed"`
	// TLSLevel of the try; none is clear text.
	TLSLevel policy.TLSLevel `json:"tls_level" validate:"required" swaggertype:"string" enums:"none,preferred,preferred_verify,required,required_verify,required_verify_hosted"`
	// SmallClientHello leaves the post-quantum group out, for devices that lose larger segments.
	SmallClientHello bool `json:"small_client_hello"`
	// TLS is what was agreed on.
	TLS delivery.SessionTLS `json:"tls"`
	// Steps are the stages that were walked through; the last one may have failed.
	Steps []ServerProfileStep `json:"steps" validate:"required"`
	// Decision is what a delivery would ask of the address; absent where there is none.
	Decision *policy.Decision `json:"decision,omitempty"`
}

// ServerProfileStep is one step of a try.
type ServerProfileStep struct {
	// Stage of a delivery that the step belongs to.
	Stage delivery.Stage `json:"stage" validate:"required" swaggertype:"string" enums:"names,policy,connect,starttls,verify,auth"`
	// DurationMilliseconds is how long the step took.
	DurationMilliseconds int64 `json:"duration_ms"`
	// Problem is why the step failed; absent where it passed.
	Problem string `json:"problem,omitempty"`
}

// testServerProfile godoc
//
//	@Summary		Test a server profile live
//	@Description	Walks through the stages of a delivery for every URI (names, connect, TLS, verification, authentication) up to, not including, MAIL, as for a recipient domain without a destination control of its own. Takes up to a minute; two tests run at a time.
//	@ID				testServerProfile
//	@Tags			Sending
//	@Param			name	path		string	true	"Name of the server profile"
//	@Success		200		{object}	ServerProfileTest
//	@Failure		404		{object}	Problem
//	@Failure		409		{object}	Problem
//	@Router			/server-profiles/{name}/test [post]
//	@x-role			"operator"
func (a *API) testServerProfile(c echo.Context) error {
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	found, err := a.testProfile(c.Request().Context(), name)
	if err != nil {
		return err
	}
	shown := ServerProfileTest{Profile: found.Profile, Revision: found.Revision, Passed: found.Passed, Tries: []ServerProfileTry{}}
	for _, try := range found.Tries {
		shown.Tries = append(shown.Tries, showServerTry(try))
	}
	return reply(c, http.StatusOK, shown)
}

func showServerTry(t probe.ServerTry) ServerProfileTry {
	shown := ServerProfileTry{
		Host: t.Host, Address: t.Address, Passed: t.Passed, TLSLevel: t.Rung.Level,
		SmallClientHello: t.Rung.SmallClientHello, TLS: t.TLS, Steps: []ServerProfileStep{},
	}
	if t.Address != "" {
		t.Decision.Reasons = orEmpty(t.Decision.Reasons)
		shown.Decision = &t.Decision
	}
	for _, step := range t.Steps {
		shown.Steps = append(shown.Steps, ServerProfileStep{
			Stage: step.Stage, DurationMilliseconds: step.Duration.Milliseconds(), Problem: step.Problem,
		})
	}
	return shown
}
