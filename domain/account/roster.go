package account

import (
	"context"
	"strings"
	"time"

	"postern/domain"
)

// Roster changes who is an administrator.
type Roster interface {
	// ChangeAdministrator stores what change makes of the administrator as he is
	// now, in one transaction: nil removes him. at is the time of the change. others is how many other
	// administrators with the role admin can log in. An error of change changes
	// nothing and is returned.
	ChangeAdministrator(ctx context.Context, name string, at time.Time, change func(now Administrator, exists bool, others int64) (*Administrator, error)) error
}

// AdministratorChange is what an administrator is to be.
type AdministratorChange struct {
	Name     string
	Role     Role
	Disabled bool
	// Check, if it is set, sees the administrator as he is now, in the very
	// transaction of the change, and refuses by an error.
	Check func(now Administrator, exists bool) error
}

// PutAdministrator creates an administrator, who has no password yet, or changes
// role and state of one. All faults are domain.Invalid. A token that is held to
// scopes, to addresses or to a time is domain.Forbidden: administrators are not,
// so it would grant more than it has. The last administrator who can get in stays: domain.Conflict.
func (s *Service) PutAdministrator(ctx context.Context, by Principal, want AdministratorChange) (stored Administrator, created bool, err error) {
	if err := checkAdministrator(want); err != nil {
		return stored, false, err
	}
	if err := mayChangeAdministrators(by); err != nil {
		return stored, false, err
	}
	err = s.roster.ChangeAdministrator(ctx, want.Name, s.now(), func(now Administrator, exists bool, others int64) (*Administrator, error) {
		if want.Check != nil {
			if err := want.Check(now, exists); err != nil {
				return nil, err
			}
		}
		next := now
		if created = !exists; created {
			next = Administrator{Name: want.Name, CreatedAt: wholeSeconds(s.now())}
		}
		next.Role, next.Disabled = want.Role, want.Disabled
		stored = next
		return &next, keepsOneIn(now, &next, others)
	})
	return stored, created, domain.Wrap(err, "change the administrator %q", want.Name)
}

// DeleteAdministrator removes an administrator, or returns domain.NotFound. The
// sessions of his password end. Tokens stay. check is that of
// [AdministratorChange].
func (s *Service) DeleteAdministrator(ctx context.Context, by Principal, name string, check func(Administrator, bool) error) error {
	if err := mayChangeAdministrators(by); err != nil {
		return err
	}
	err := s.roster.ChangeAdministrator(ctx, name, s.now(), func(now Administrator, exists bool, others int64) (*Administrator, error) {
		if !exists {
			return nil, domain.E(domain.NotFound, "there is no administrator %q", name)
		}
		if check != nil {
			if err := check(now, exists); err != nil {
				return nil, err
			}
		}
		return nil, keepsOneIn(now, nil, others)
	})
	return domain.Wrap(err, "delete the administrator %q", name)
}

// keepsOneIn refuses a change after which no administrator with the role admin
// could log in. One who has no password yet counts too: in a fresh installation
// he is the only one.
func keepsOneIn(now Administrator, next *Administrator, others int64) error {
	was := now.Role == RoleAdmin && !now.Disabled
	stays := next != nil && next.Role == RoleAdmin && !next.Disabled
	if was && !stays && others == 0 {
		return domain.E(domain.Conflict, "%q is the last administrator with the role admin: give the role and a password to another one first", now.Name)
	}
	return nil
}

func mayChangeAdministrators(by Principal) error {
	if !by.Allows(RoleAdmin) {
		return domain.E(domain.Forbidden, "only the role admin may change administrators")
	}
	return by.checkUnlimited("change administrators")
}

// checkUnlimited keeps a token that is held to scopes, to networks or to a time
// from what gives access without: a token grants no more than it holds itself.
func (p Principal) checkUnlimited(what string) error {
	if p.Scopes != 0 || p.Limited {
		return domain.E(domain.Forbidden, "a token that is held to scopes, to addresses or to a time cannot %s, who are not", what)
	}
	return nil
}

func checkAdministrator(want AdministratorChange) error {
	var faults domain.Faults
	checkName(&faults, "/name", want.Name)
	if strings.Contains(want.Name, ":") {
		// RFC 7617 §2: a user name with a colon cannot be sent.
		faults.Add("/name", "must not hold a colon")
	}
	if _, err := ParseRole(string(want.Role)); err != nil {
		faults.Add("/role", "%s", err)
	}
	return faults.Err()
}
