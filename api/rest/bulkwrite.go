package rest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"postern/domain"
	"postern/domain/config"
)

// Bounds of a table that is written at once.
const (
	maxBulkBytes  = 64 << 20
	maxBulkRows   = 200_000
	maxBulkFaults = 1000 // that are listed
	maxBulkWrites = 2    // at a time
)

// BulkResult is what became of a table that was written at once.
type BulkResult struct {
	// Revision that the write made; the newest one where nothing changed, and of a draft.
	Revision int64 `json:"revision" validate:"required"`
	// Lines is how many rows were read.
	Lines int `json:"lines"`
	// Written is how many items were made or changed; of a draft, how many are in it now.
	Written int `json:"written"`
	// Deleted is how many items the table did not have; 0 unless it replaces.
	Deleted int `json:"deleted"`
	// Warnings are the first 1000 of what an administrator should look at, although it is allowed.
	Warnings []ProblemFault `json:"warnings,omitempty"`
}

// bulkWrite writes a table of documents of one kind in one commit.
type bulkWrite[T any] struct {
	resource[T]
	to      Configuration
	draft   bool
	replace bool // delete what the table does not have
	act     config.Act
	// told is called now and then with the number of rows that were read since.
	told func(rows int)
}

// rowsPerWord is how many rows pass between two words of progress, and between
// two looks at whether anybody still waits.
const rowsPerWord = 1000

func (b bulkWrite[T]) run(ctx context.Context, next rowReader) (BulkResult, error) {
	edits, err := b.read(ctx, next)
	if err != nil {
		return BulkResult{}, err
	}
	var result BulkResult
	for range patchTries {
		result, err = b.commit(ctx, edits)
		if domain.KindOf(err) != domain.Stale {
			break // else another writer came between
		}
	}
	return result, boundFaults(err)
}

// read makes an edit of every row. Rows at fault are all reported at once.
func (b bulkWrite[T]) read(ctx context.Context, next rowReader) ([]config.Edit, error) {
	var edits []config.Edit
	found, lines, rows := new(bulkFaults), map[string]int{}, 0
	for {
		r, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && rows == maxBulkRows {
			err = endError(r.line, fmt.Sprintf("is beyond the %d rows of one write", maxBulkRows))
		}
		if err != nil {
			return nil, found.end(err)
		}
		if rows++; rows%rowsPerWord == 0 {
			if b.told(rowsPerWord); ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
		edit := b.editOf(r, lines)
		if faults := edit.Check(); len(faults) > 0 {
			found.add(r.line, faults)
			continue
		}
		edits = append(edits, edit)
	}
	b.told(rows % rowsPerWord)
	return edits, found.err()
}

// editOf makes an edit of a row; lines are those of the names before.
func (b bulkWrite[T]) editOf(r row, lines map[string]int) config.Edit {
	edit := config.Edit{Kind: b.kind, Line: r.line, Faults: r.faults}
	if r.document == nil {
		return edit
	}
	document, faults, err := decodeParts[T](r.document)
	edit.Faults = append(edit.Faults, faults...)
	if err != nil {
		edit.Faults = append(edit.Faults, faultsIn(err)...)
		return edit
	}
	edit.Value = b.resource.read("", document)
	edit.Key = config.KeyOf(b.kind, edit.Value)
	at := "/" + b.param
	switch before := lines[edit.Key]; {
	case edit.Key == "" && len(edit.Faults) == 0:
		edit.Faults.Add(at, "is required")
	case edit.Key == "":
	case before > 0:
		edit.Faults.Add(at, "%q is on line %d already", edit.Key, before)
	default:
		lines[edit.Key] = r.line
	}
	return edit
}

// faultsIn are those of a document that cannot be read.
func faultsIn(err error) domain.Faults {
	if malformed, ok := errors.AsType[*malformedError](err); ok && len(malformed.faults) > 0 {
		return malformed.faults
	}
	if invalid, ok := errors.AsType[*domain.Error](err); ok && len(invalid.Faults) > 0 {
		return invalid.Faults
	}
	return domain.Faults{{Message: err.Error()}}
}

// commit writes the rows onto the configuration of now.
func (b bulkWrite[T]) commit(ctx context.Context, edits []config.Edit) (BulkResult, error) {
	base := b.to.Status().Committed
	deletions, err := b.deletions(ctx, edits)
	if err != nil || len(edits)+len(deletions) == 0 {
		return BulkResult{Revision: base}, err
	}
	result, err := b.to.Commit(ctx, config.Change{
		Author: b.act.Author, Comment: b.act.Comment, ConfirmWithin: b.act.ConfirmWithin,
		Edits: append(edits[:len(edits):len(edits)], deletions...), Base: base,
	})
	if err != nil {
		return BulkResult{}, err
	}
	shown := BulkResult{Revision: result.Revision, Lines: len(edits), Deleted: len(deletions)}
	for _, item := range result.Items[:len(edits)] {
		if b.draft || result.Revision > base && item.Revision == result.Revision {
			shown.Written++
		}
	}
	shown.Warnings = problemFaults(result.Warnings[:min(len(result.Warnings), maxBulkFaults)])
	return shown, nil
}

// deletions are the edits that leave nothing but the rows, and what others inherit
// from.
func (b bulkWrite[T]) deletions(ctx context.Context, edits []config.Edit) (deletions []config.Edit, err error) {
	if !b.replace {
		return nil, nil
	}
	kept := make(map[string]bool, len(edits))
	for _, e := range edits {
		kept[e.Key] = true
	}
	err = eachItem(ctx, b.to, b.kind, func(item config.Item) error {
		if !kept[item.Key] && !isInherited(b.kind, item.Key) {
			deletions = append(deletions, config.Edit{Kind: b.kind, Key: item.Key})
		}
		return nil
	})
	return deletions, err
}

// bulkFaults collects the faults of a table, within bounds.
type bulkFaults struct {
	list         domain.Faults
	total, lines int
}

func (f *bulkFaults) add(line int, faults domain.Faults) {
	f.lines++
	f.total += len(faults)
	for _, fault := range faults[:min(len(faults), maxBulkFaults-len(f.list))] {
		fault.Line = line
		f.list = append(f.list, fault)
	}
}

// end adds the fault after which nothing can be read. Other errors stay.
func (f *bulkFaults) end(err error) error {
	last, ok := errors.AsType[*domain.Error](err)
	if !ok || last.Kind != domain.Invalid {
		return err
	}
	for _, fault := range last.Faults {
		f.add(fault.Line, domain.Faults{fault})
	}
	return f.err()
}

func (f *bulkFaults) err() error {
	if f.total == 0 {
		return nil
	}
	detail := fmt.Sprintf("%d faults in %d lines, nothing was written", f.total, f.lines)
	if f.total > len(f.list) {
		detail += fmt.Sprintf("; the first %d are listed", len(f.list))
	}
	return &domain.Error{Kind: domain.Invalid, Detail: detail, Faults: f.list}
}

// boundFaults bounds the faults of a refused commit.
func boundFaults(err error) error {
	refusal, ok := errors.AsType[*domain.Error](err)
	if !ok || refusal.Kind != domain.Invalid || len(refusal.Faults) == 0 {
		return err
	}
	found, last := new(bulkFaults), -1
	for _, fault := range refusal.Faults {
		found.add(fault.Line, domain.Faults{fault})
		if fault.Line == last {
			found.lines--
		}
		last = fault.Line
	}
	return found.err()
}
