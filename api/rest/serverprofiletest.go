package rest

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/policy"
	"postern/domain/probe"
)

// ServerProfileTest is what a live test of a server profile found (B32).
type ServerProfileTest struct {
	// Profile that was tested.
	Profile string `json:"profile" validate:"required"`
	// Type of the profile.
	Type policy.ServerType `json:"type" validate:"required" swaggertype:"string" enums:"smtp,core"`
	// Revision of the configuration that was tested.
	Revision int64 `json:"revision" validate:"required"`
	// Passed is, for type smtp, whether mail would be delivered; for type core, whether every server let a harmless text pass.
	Passed bool `json:"passed"`
	// Delivery is how far a delivery by the profile would come; of type smtp only.
	Delivery *TLSVerification `json:"delivery,omitempty"`
	// Servers are the URIs of the profile, in its order; of type core only.
	Servers []InspectedServer `json:"servers,omitempty"`
}

// InspectedServer is the test of one URI of type core.
type InspectedServer struct {
	// URI that was tested.
	URI string `json:"uri" validate:"required"`
	// Passed is whether the server let the text pass.
	Passed bool `json:"passed"`
	// Steps are the stages that were walked through; the last one may have failed.
	Steps []InspectionStep `json:"steps" validate:"required"`
}

// InspectionStep is one stage of a test of type core.
type InspectionStep struct {
	// Stage is how far the test had come.
	Stage probe.InspectionStage `json:"stage" validate:"required" swaggertype:"string" enums:"connect,tls,submit,result"`
	// Passed is whether the test went on from there.
	Passed bool `json:"passed"`
	// DurationMilliseconds is how long the stage took.
	DurationMilliseconds int64 `json:"duration_ms"`
	// Detail is what was found, or why the stage failed.
	Detail string `json:"detail" validate:"required"`
}

// testServerProfile godoc
//
//	@Summary		Test a server profile live
//	@Description	Type smtp: the live test of "verifyTLS" for every URI of the profile, credentials included, as for a recipient domain without a destination control of its own. Type core: shows a harmless text to every server of the profile and tells how far each came: connection, TLS with verification, submission, result; that takes as long as the profile allows, up to a minute.
//	@ID				testServerProfile
//	@Tags			Server profiles
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
	snapshot := a.snapshot()
	profile, ok := snapshot.ServerProfile(name)
	if !ok {
		return domain.E(domain.NotFound, "there is no server profile %q", name)
	}
	test := ServerProfileTest{Profile: name, Type: profile.Type, Revision: snapshot.Revision}
	if profile.Type == policy.ServerCore {
		err = a.testInspection(c.Request().Context(), &test, policy.CoreProfile(profile))
	} else {
		err = a.testDelivery(c.Request().Context(), &test)
	}
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, test)
}

// testDelivery fills in the test of a profile of type smtp.
func (a *API) testDelivery(ctx context.Context, test *ServerProfileTest) error {
	found, err := a.verify(ctx, probe.Question{ServerProfile: test.Profile})
	if err != nil {
		return err
	}
	shown := showVerification(found)
	test.Delivery, test.Revision, test.Passed = &shown, shown.Revision, shown.Verdict == probe.Deliverable
	return nil
}

// testInspection fills in the test of a profile of type core.
func (a *API) testInspection(ctx context.Context, test *ServerProfileTest, profile policy.CoreProfile) error {
	found, err := a.testCore(ctx, profile)
	if err != nil {
		return err
	}
	test.Passed = found.Passed()
	for _, s := range found.Servers {
		test.Servers = append(test.Servers, showInspectedServer(s))
	}
	return nil
}

func showInspectedServer(s probe.InspectedServer) InspectedServer {
	shown := InspectedServer{URI: s.URI, Passed: s.Passed(), Steps: []InspectionStep{}}
	for _, step := range s.Steps {
		shown.Steps = append(shown.Steps, InspectionStep{
			Stage: step.Stage, Passed: step.OK, DurationMilliseconds: step.Took.Milliseconds(), Detail: step.Detail,
		})
	}
	return shown
}
