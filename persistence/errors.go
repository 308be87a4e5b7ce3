package persistence

import (
	"context"
	"errors"

	"github.com/mattn/go-sqlite3"
	"gorm.io/gorm"

	"postern/domain"
)

// translate gives a driver's error its kind in the terms of the domain, by its
// code. An error that has a kind already, and one of the context, stay as they
// are; what no rule knows stays Internal.
func translate(err error) error {
	var classified *domain.Error
	var driver sqlite3.Error
	switch {
	case err == nil, errors.As(err, &classified),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, gorm.ErrRecordNotFound):
		return &domain.Error{Kind: domain.NotFound, Detail: "there is no such record", Err: err}
	case errors.As(err, &driver):
		return translateCode(driver, err)
	}
	return err
}

func translateCode(driver sqlite3.Error, err error) error {
	switch driver.Code {
	case sqlite3.ErrConstraint:
		return translateConstraint(driver.ExtendedCode, err)
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return &domain.Error{Kind: domain.Unavailable, Detail: "the database is busy", Err: err}
	case sqlite3.ErrFull:
		return &domain.Error{Kind: domain.Unavailable, Detail: "the disk is full", Err: err}
	case sqlite3.ErrIoErr, sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrPerm:
		return &domain.Error{Kind: domain.Unavailable, Detail: "the disk cannot be read or written", Err: err}
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return &domain.Error{Kind: domain.Internal, Detail: "the file is damaged or is no database", Err: err}
	}
	return err
}

// translateConstraint tells what callers can cause (something exists already,
// or is still referred to) from a fault of ours (a value that a column refuses).
func translateConstraint(code sqlite3.ErrNoExtended, err error) error {
	switch code {
	case sqlite3.ErrConstraintUnique, sqlite3.ErrConstraintPrimaryKey, sqlite3.ErrConstraintRowID:
		return &domain.Error{Kind: domain.Conflict, Detail: "it exists already", Err: err}
	case sqlite3.ErrConstraintForeignKey:
		return &domain.Error{Kind: domain.Conflict, Detail: "it refers to something that does not exist, or is referred to", Err: err}
	}
	return err
}

// unusable is a failure of the file system.
func unusable(err error) error {
	return &domain.Error{Kind: domain.Unavailable, Detail: "the disk cannot be read or written", Err: err}
}
