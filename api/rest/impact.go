package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/job"
	"postern/domain/whatif"
)

// jobImpact is the kind of jobs that replay history.
const jobImpact = "impact"

// Bounds of the history that is replayed.
const (
	defaultImpactDays = 7
	maxImpactDays     = 365
)

// Impact says what a change would have done to the mail of the last days (B72). What was not seen is not guessed: it is counted as cannot_be_told.
type Impact struct {
	// ChangeID is the draft that was tried.
	ChangeID string `json:"change_id" validate:"required"`
	// Since is where the replayed history begins.
	Since time.Time `json:"since" validate:"required" format:"date-time"`
	// Until is where it ends.
	Until time.Time `json:"until" validate:"required" format:"date-time"`
	// Revision that the draft was held against.
	Revision int64 `json:"revision"`
	// Incoming is what would change for sessions, by client.
	Incoming ImpactSide `json:"incoming" validate:"required"`
	// Outgoing is what would change for attempts, by recipient domain.
	Outgoing ImpactSide `json:"outgoing" validate:"required"`
}

// ImpactSide is what a change does to one direction of mail.
type ImpactSide struct {
	// Judged is how many sessions or attempts were replayed.
	Judged int `json:"judged"`
	// Ignored is how many had nothing to judge.
	Ignored int `json:"ignored"`
	// Unchanged is how many end as before.
	Unchanged int `json:"unchanged"`
	// CannotBeTold is how many may end otherwise, without enough being known of them.
	CannotBeTold int `json:"cannot_be_told"`
	// Changes are those that end otherwise, the worst first.
	Changes []ImpactChange `json:"changes" validate:"required"`
}

// ImpactChange is what ends in another class.
type ImpactChange struct {
	// From is how it ends today.
	From whatif.Class `json:"from" validate:"required" swaggertype:"string" enums:"verified,encrypted,clear,deferred,refused,bounced,cannot_be_told"`
	// To is how it would end.
	To whatif.Class `json:"to" validate:"required" swaggertype:"string" enums:"verified,encrypted,clear,deferred,refused,bounced,cannot_be_told"`
	// Count is how many sessions or attempts.
	Count int `json:"count"`
	// Subjects are the recipient domains, or clients, with the most.
	Subjects []ImpactSubject `json:"subjects" validate:"required"`
	// OtherSubjects is how many there are beside them.
	OtherSubjects int `json:"other_subjects"`
}

// ImpactSubject is a recipient domain, or a client, whose mail would end otherwise.
type ImpactSubject struct {
	// Name of the recipient domain; of the client, or its address.
	Name string `json:"name" validate:"required"`
	// Count is how many sessions or attempts.
	Count int `json:"count"`
	// LastAt is when the newest of them was.
	LastAt time.Time `json:"last_at" validate:"required" format:"date-time"`
	// Example is the newest of them: the id of the session, or of the message.
	Example string `json:"example" validate:"required"`
	// Because is the rule that decides after the change.
	Because string `json:"because,omitempty"`
}

func (a *API) impactOperations() []operation {
	const path = "/changes/:id/impact"
	return []operation{
		{http.MethodPost, path, "startChangeImpact", account.RoleViewer, []string{"days"}, a.startChangeImpact},
		{http.MethodGet, path, "getChangeImpact", account.RoleViewer, nil, a.getChangeImpact},
	}
}

// startChangeImpact godoc
//
//	@Summary		Try a draft on the mail of the last days
//	@Description	Replays the recorded sessions and attempts under the configuration as it is, and as the draft would make it. The draft is taken as it stands now. The job's result is the impact.
//	@ID				startChangeImpact
//	@Tags			Changes
//	@Param			id		path		string	true	"Id of the draft"
//	@Param			days	query		int		false	"How many days to replay, 7 unless given"	minimum(1)	maximum(365)
//	@Success		202		{object}	Job
//	@Failure		404		{object}	Problem
//	@Failure		409		{object}	Problem
//	@Failure		422		{object}	Problem
//	@Router			/changes/{id}/impact [post]
//	@x-role			"viewer"
func (a *API) startChangeImpact(c echo.Context) error {
	days := defaultImpactDays
	if text := c.QueryParam("days"); text != "" {
		var err error
		if days, err = strconv.Atoi(text); err != nil || days < 1 || days > maxImpactDays {
			return badQuery("days", "must be a whole number from 1 to 365")
		}
	}
	id, before := c.Param("id"), a.snapshot()
	draft, err := a.changeCommits.View(c.Request().Context(), id)
	if err != nil {
		return err
	}
	after, err := draft.Snapshot(c.Request().Context())
	if err != nil {
		return err
	}
	now := a.now()
	replay := impactReplay{id: id, before: before, after: after, since: now.AddDate(0, 0, -days), now: now, history: a.history}
	return a.startJob(c, job.Order{Kind: jobImpact, Subject: id, Work: replay.run})
}

// impactReplay is the work of one job.
type impactReplay struct {
	id            string
	before, after *config.Snapshot
	since, now    time.Time
	history       whatif.History
}

func (r impactReplay) run(ctx context.Context, p *job.Progress) (any, error) {
	p.Step("replaying what was recorded since %s for change %s", r.since.UTC().Format(time.RFC3339), r.id)
	told := int64(0)
	report, err := whatif.Run(ctx, r.history, r.before, r.after, r.since, r.now, func(done, total int) {
		if told == 0 {
			p.Expect(int64(total), "sessions and attempts")
		}
		p.Done(int64(done) - told)
		told = int64(done)
	})
	if err != nil {
		return nil, err
	}
	return Impact{
		ChangeID: r.id, Since: report.Since.UTC(), Until: report.Until.UTC(), Revision: r.before.Revision,
		Incoming: showImpact(report.Incoming), Outgoing: showImpact(report.Outgoing),
	}, nil
}

func showImpact(s whatif.Side) ImpactSide {
	side := ImpactSide{
		Judged: s.Judged, Ignored: s.Ignored, Unchanged: s.Unchanged, CannotBeTold: s.CannotBeTold, Changes: []ImpactChange{},
	}
	for _, c := range s.Changes {
		shown := ImpactChange{From: c.From, To: c.To, Count: c.Count, OtherSubjects: c.Others, Subjects: []ImpactSubject{}}
		for _, one := range c.Subjects {
			one.LastAt = one.LastAt.UTC()
			shown.Subjects = append(shown.Subjects, ImpactSubject(one))
		}
		side.Changes = append(side.Changes, shown)
	}
	return side
}

// getChangeImpact godoc
//
//	@Summary		Show the last impact of a draft
//	@Description	The result of the newest job that has succeeded. The draft may have changed since.
//	@ID				getChangeImpact
//	@Tags			Changes
//	@Param			id	path		string	true	"Id of the draft"
//	@Success		200	{object}	Impact
//	@Failure		404	{object}	Problem
//	@Router			/changes/{id}/impact [get]
//	@x-role			"viewer"
func (a *API) getChangeImpact(c echo.Context) error {
	id := c.Param("id")
	found, err := a.jobs.List(c.Request().Context(), job.Query{Kind: jobImpact, Subject: id, State: job.Succeeded, Limit: 1})
	if err != nil {
		return err
	}
	if id == "" || len(found) == 0 {
		return domain.E(domain.NotFound, "no impact of change %s is known: ask for one by POST", shorten(id, 100))
	}
	var shown Impact
	if err := json.Unmarshal(found[0].Result, &shown); err != nil {
		return domain.Wrap(err, "read the result of job %s", found[0].ID)
	}
	return reply(c, http.StatusOK, shown)
}
