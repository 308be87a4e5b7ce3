package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/probe"
)

// CoreProfileTest is what a live test of a core profile found (B32).
type CoreProfileTest struct {
	// Profile that was tested.
	Profile string `json:"profile" validate:"required"`
	// Revision of the configuration that was tested.
	Revision int64 `json:"revision" validate:"required"`
	// Passed is whether every server let the text pass.
	Passed bool `json:"passed"`
	// Servers are the URIs of the profile, in its order.
	Servers []CoreServerTest `json:"servers" validate:"required"`
}

// CoreServerTest is the test of one URI.
type CoreServerTest struct {
	// URI that was tested.
	URI string `json:"uri" validate:"required"`
	// Passed is whether the server let the text pass.
	Passed bool `json:"passed"`
	// Steps are the stages that were walked through; the last one may have failed.
	Steps []CoreTestStep `json:"steps" validate:"required"`
}

// CoreTestStep is one stage of a test.
type CoreTestStep struct {
	// Stage is how far the test had come.
	Stage probe.InspectionStage `json:"stage" validate:"required" swaggertype:"string" enums:"connect,tls,submit,result"`
	// Passed is whether the test went on from there.
	Passed bool `json:"passed"`
	// DurationMilliseconds is how long the stage took.
	DurationMilliseconds int64 `json:"duration_ms"`
	// Detail is what was found, or why the stage failed.
	Detail string `json:"detail" validate:"required"`
}

// testCoreProfile godoc
//
//	@Summary		Test a core profile live
//	@Description	Shows a harmless text to every server of the profile and tells how far each came: connection, TLS with verification, submission, result. Takes as long as the profile allows, up to a minute.
//	@ID				testCoreProfile
//	@Tags			Inspection
//	@Param			name	path		string	true	"Name of the core profile"
//	@Success		200		{object}	CoreProfileTest
//	@Failure		404		{object}	Problem
//	@Router			/inspection-profiles/{name}/test [post]
//	@x-role			"operator"
func (a *API) testCoreProfile(c echo.Context) error {
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	snapshot := a.snapshot()
	profile, ok := snapshot.CoreProfile(name)
	if !ok {
		return domain.E(domain.NotFound, "there is no core profile %q", name)
	}
	found, err := a.testCore(c.Request().Context(), profile)
	if err != nil {
		return err
	}
	shown := CoreProfileTest{Profile: found.Profile, Revision: snapshot.Revision, Passed: found.Passed(), Servers: []CoreServerTest{}}
	for _, s := range found.Servers {
		shown.Servers = append(shown.Servers, showCoreServerTest(s))
	}
	return reply(c, http.StatusOK, shown)
}

func showCoreServerTest(s probe.InspectedServer) CoreServerTest {
	shown := CoreServerTest{URI: s.URI, Passed: s.Passed(), Steps: []CoreTestStep{}}
	for _, step := range s.Steps {
		shown.Steps = append(shown.Steps, CoreTestStep{
			Stage: step.Stage, Passed: step.OK, DurationMilliseconds: step.Took.Milliseconds(), Detail: step.Detail,
		})
	}
	return shown
}
