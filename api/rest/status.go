package rest

import (
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
)

// Status is how the gateway is doing.
type Status struct {
	// Version of the program.
	Version string `json:"version"`
	// StartedAt is when the program started.
	StartedAt time.Time `json:"started_at" format:"date-time"`
	// RevisionCommitted is the newest revision of the configuration.
	RevisionCommitted int64 `json:"revision_committed"`
	// RevisionApplied is the revision that is in force.
	RevisionApplied int64 `json:"revision_applied"`
	// Confirmation is the revision that is taken back unless it is confirmed; absent where none waits (B70).
	Confirmation *PendingConfirmation `json:"confirmation,omitempty"`
	// Problems say why the applied revision is behind, or what does not serve.
	Problems []StatusProblem `json:"problems"`
	// Listeners are the configured listeners and how they are doing.
	Listeners []ListenerStatus `json:"listeners" validate:"required"`
	// TLSEnabled is the master switch of TLS (B1).
	TLSEnabled bool `json:"tls_enabled"`
	// CertificateActivationApplied is the number of the certificate activation that handshakes use; 0: none yet.
	CertificateActivationApplied int64 `json:"certificate_activation_applied"`
	// Ready is whether the gateway takes mail and requests, as /readyz says.
	Ready bool `json:"ready"`
	// NotReady says why not.
	NotReady []string `json:"not_ready"`
	// Resolver is whether the DNS resolvers validate, without which DANE is off (B63); absent in a status that does not know.
	Resolver *ResolverStatus `json:"resolver,omitempty"`
}

// ResolverStatus is whether the DNS resolvers validate.
type ResolverStatus struct {
	// Validation is what the last look found: unproven where it could not be found out, and answers are believed as long as that is so.
	Validation string `json:"validation" validate:"required" enums:"unproven,validating,not validating"`
	// DANE is whether TLSA records are looked up and acted on.
	DANE bool `json:"dane"`
	// Detail says why, naming the resolver that decided.
	Detail string `json:"detail,omitempty"`
	// ExaminedAt is when the look ended; absent where none has.
	ExaminedAt *time.Time `json:"examined_at,omitempty" format:"date-time"`
}

// PendingConfirmation is a revision that waits to be confirmed.
type PendingConfirmation struct {
	// Revision is its number.
	Revision int64 `json:"revision" validate:"required"`
	// ConfirmBy is when it is taken back.
	ConfirmBy time.Time `json:"confirm_by" format:"date-time" validate:"required"`
}

// ListenerStatus is how a listener is doing.
type ListenerStatus struct {
	// Name of the listener.
	Name string `json:"name" validate:"required"`
	// Address is where it listens, with the port that the system chose.
	Address string `json:"address" validate:"required"`
	// Connections are open now.
	Connections int `json:"connections"`
	// Problem is why it does not serve; absent where it does.
	Problem string `json:"problem,omitempty"`
}

// StatusProblem is something that keeps a revision from being applied.
type StatusProblem struct {
	// Part of the gateway, as listener inbound.
	Part string `json:"part"`
	// Detail says what is wrong with it.
	Detail string `json:"detail"`
}

// Version is which program this is.
type Version struct {
	// Version of the program.
	Version string `json:"version"`
	// GoVersion is the version of the language it was built with.
	GoVersion string `json:"go_version"`
	// APIVersion is the version in the path of this API.
	APIVersion string `json:"api_version"`
}

func (a *API) statusOperations() []operation {
	return []operation{
		{http.MethodGet, "/status", "getStatus", account.RoleViewer, nil, a.getStatus},
		{http.MethodGet, "/version", "getVersion", account.RoleViewer, nil, a.getVersion},
	}
}

// getStatus godoc
//
//	@Summary	Show how the gateway is doing
//	@ID			getStatus
//	@Tags		Gateway
//	@Success	200	{object}	Status
//	@Router		/status [get]
//	@x-role		"viewer"
func (a *API) getStatus(c echo.Context) error {
	progress := a.config.Status()
	reasons := a.notReady(c.Request().Context())
	status := Status{
		Version:                      a.version,
		StartedAt:                    a.started.UTC(),
		RevisionCommitted:            progress.Committed,
		RevisionApplied:              progress.Applied,
		Problems:                     []StatusProblem{},
		Listeners:                    orEmpty(a.listenerStatus()),
		TLSEnabled:                   a.snapshot().Settings.TLS.Enabled,
		CertificateActivationApplied: a.certificates.Applied(),
		Ready:                        len(reasons) == 0,
		NotReady:                     orEmpty(reasons),
	}
	if p := progress.Pending; p != nil {
		status.Confirmation = &PendingConfirmation{Revision: p.Revision, ConfirmBy: p.By.UTC()}
	}
	problems := progress.Problems
	if a.problems != nil {
		problems = slices.Concat(problems, a.problems())
	}
	if a.resolver != nil {
		resolver := a.resolver()
		status.Resolver = &resolver
	}
	for _, p := range problems {
		status.Problems = append(status.Problems, StatusProblem{Part: p.Part, Detail: p.Detail})
	}
	return reply(c, http.StatusOK, status)
}

// getVersion godoc
//
//	@Summary	Show which program this is
//	@ID			getVersion
//	@Tags		Gateway
//	@Success	200	{object}	Version
//	@Router		/version [get]
//	@x-role		"viewer"
func (a *API) getVersion(c echo.Context) error {
	return reply(c, http.StatusOK, Version{Version: a.version, GoVersion: runtime.Version(), APIVersion: "v1"})
}
