package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/job"
)

// Jobs begins long work and looks after it. To cancel a job that is over is a
// Conflict.
type Jobs interface {
	Start(ctx context.Context, o job.Order) (job.Job, error)
	Get(ctx context.Context, id string) (job.Job, error)
	// Wait returns the job when it is over, or as it stands when the context ends.
	Wait(ctx context.Context, id string) (job.Job, error)
	List(ctx context.Context, q job.Query) ([]job.Job, error)
	Cancel(ctx context.Context, id string) (job.Job, error)
}

var _ Jobs = (*job.Service)(nil)

// Job is a piece of long work, as it stands.
type Job struct {
	// ID names the job; ids sort by age.
	ID string `json:"id" validate:"required"`
	// Kind is what sort of work it is.
	Kind string `json:"kind" validate:"required"`
	// State says whether it is over, and how it ended. An interrupted job was ended by a stop of the gateway and does not go on.
	State job.State `json:"state" validate:"required" swaggertype:"string" enums:"queued,running,succeeded,failed,cancelled,interrupted"`
	// Author is who began it.
	Author string `json:"author" validate:"required"`
	// Progress says how far it has come.
	Progress JobProgress `json:"progress" validate:"required"`
	// Steps are what the work told of its way, oldest first; of more than 100 the middle is left out.
	Steps []JobStep `json:"steps" validate:"required"`
	// Result is what a job that succeeded came to; what is in it depends on the kind.
	Result json.RawMessage `json:"result,omitempty" swaggertype:"object"`
	// Problem is why a job came to nothing.
	Problem *Problem `json:"problem,omitempty"`
	// CreatedAt is when it was asked for.
	CreatedAt time.Time `json:"created_at" validate:"required" format:"date-time"`
	// StartedAt is when the work began.
	StartedAt *time.Time `json:"started_at,omitempty" format:"date-time"`
	// FinishedAt is when it was over.
	FinishedAt *time.Time `json:"finished_at,omitempty" format:"date-time"`
}

// JobProgress says how far a job has come.
type JobProgress struct {
	// Done is how much is done.
	Done int64 `json:"done"`
	// Total is how much there is to do; absent: not known.
	Total int64 `json:"total,omitempty"`
	// Unit is what is counted.
	Unit string `json:"unit,omitempty"`
}

// JobStep is something that a job told of its way.
type JobStep struct {
	// At is when it was told.
	At time.Time `json:"at" format:"date-time"`
	// Text is what was told.
	Text string `json:"text"`
}

func showJob(j job.Job) Job {
	shown := Job{
		ID: j.ID, Kind: j.Kind, State: j.State, Author: j.Author, Progress: JobProgress(j.Count), Steps: []JobStep{},
		Result: j.Result, CreatedAt: j.CreatedAt, StartedAt: j.StartedAt, FinishedAt: j.FinishedAt,
	}
	for _, s := range j.Steps {
		shown.Steps = append(shown.Steps, JobStep(s))
	}
	if p := j.Problem; p != nil {
		sort := problemOfKind[p.Kind]
		shown.Problem = &Problem{
			Type: problemPath + sort.name, Title: sort.title, Status: sort.status, Detail: p.Detail, Errors: problemFaults(p.Faults),
		}
	}
	return shown
}

var jobQuery = append([]string{"state", "kind", "sort"}, listQuery...)

func (a *API) jobsOperations() []operation {
	const list, one = "/jobs", "/jobs/:id"
	return []operation{
		{http.MethodGet, list, "listJobs", account.RoleViewer, jobQuery, a.listJobs},
		{http.MethodGet, one, "getJob", account.RoleViewer, []string{"wait"}, a.getJob},
		{http.MethodPost, one + "/cancel", "cancelJob", account.RoleOperator, nil, a.cancelJob},
	}
}

// startJob begins work in the caller's name and answers with its job (202), which
// the caller may follow at the Location.
func (a *API) startJob(c echo.Context, o job.Order) error {
	o.Author = principalOf(c).Name
	begun, err := a.jobs.Start(c.Request().Context(), o)
	if err != nil {
		return err
	}
	return replyJob(c, begun)
}

func replyJob(c echo.Context, begun job.Job) error {
	c.Response().Header().Set("Location", basePath+"/jobs/"+begun.ID)
	return reply(c, http.StatusAccepted, showJob(begun))
}

// listJobs godoc
//
//	@Summary		List the jobs, newest first
//	@Description	Jobs that are over are kept for 30 days, the newest 1000 of them.
//	@ID				listJobs
//	@Tags			Jobs
//	@Param			state	query		string	false	"Only jobs in this state"	Enums(queued, running, succeeded, failed, cancelled, interrupted)
//	@Param			kind	query		string	false	"Only jobs of this kind"
//	@Param			sort	query		string	false	"Oldest first, as ids sort by age, or with a minus newest first, as without it"	Enums(id, -id)
//	@Success		200		{object}	Page[Job]
//	@Router			/jobs [get]
//	@x-shape		"list"
//	@x-role			"viewer"
func (a *API) listJobs(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	query := job.Query{Limit: p.limit + 1, State: job.State(c.QueryParam("state")), Kind: c.QueryParam("kind")}
	if query.State != "" && !slices.Contains(job.States(), query.State) {
		return badQuery("state", "must be queued, running, succeeded, failed, cancelled or interrupted")
	}
	descending, err := sortParam(c, "id", true)
	if err != nil {
		return err
	}
	query.OldestFirst = !descending
	query.Before, query.After = p.bounds(descending)
	found, err := a.jobs.List(c.Request().Context(), query)
	if err != nil {
		return err
	}
	key := func(j job.Job) string { return j.ID }
	return writePage(c, p, found, key, func(j job.Job) (Job, error) { return showJob(j), nil })
}

// getJob godoc
//
//	@Summary	Show a job
//	@ID			getJob
//	@Tags		Jobs
//	@Param		id		path		string	true	"Id of the job"
//	@Param		wait	query		string	false	"How long the reply may wait, up to 60s, until the job is over"	example(10s)
//	@Success	200		{object}	Job
//	@Failure	404		{object}	Problem
//	@Router		/jobs/{id} [get]
//	@x-shape		"read"
//	@x-role		"viewer"
func (a *API) getJob(c echo.Context) error {
	wait, err := waitParam(c)
	if err != nil {
		return err
	}
	look, ctx := a.jobs.Get, c.Request().Context()
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = waitContext(c, wait)
		defer cancel()
		look = a.jobs.Wait
	}
	found, err := look(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	return replyObject(c, showJob(found))
}

// cancelJob godoc
//
//	@Summary		Ask a job to end
//	@Description	It ends soon, unless it has just done its work. The reply shows it as it stands.
//	@ID				cancelJob
//	@Tags			Jobs
//	@Param			id	path		string	true	"Id of the job"
//	@Success		202	{object}	Job
//	@Failure		404	{object}	Problem
//	@Failure		409	{object}	Problem
//	@Router			/jobs/{id}/cancel [post]
//	@x-role			"operator"
func (a *API) cancelJob(c echo.Context) error {
	asked, err := a.jobs.Cancel(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", basePath+"/jobs/"+asked.ID)
	return reply(c, http.StatusAccepted, showJob(asked))
}
