package persistence

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/eventlog"
)

// AccountStore keeps administrators and tokens. Neither passwords nor secrets
// of tokens are in it, only their hashes.
type AccountStore struct{ file file }

var (
	_ account.AdministratorStore = (*AccountStore)(nil)
	_ account.TokenStore         = (*AccountStore)(nil)
	_ account.Roster             = (*AccountStore)(nil)
	_ account.TokenUseStore      = (*AccountStore)(nil)
)

// Accounts returns the store of the accounts.
func (d *Database) Accounts() *AccountStore { return &AccountStore{d.configuration} }

type administratorRow struct {
	Name         string `gorm:"primaryKey"`
	Role         string
	PasswordHash string
	CreatedAt    int64 `gorm:"autoCreateTime:false"`
	Disabled     bool
}

func (administratorRow) TableName() string { return "administrators" }

type tokenRow struct {
	ID        string `gorm:"primaryKey"`
	Name      string
	Role      string
	Hash      []byte
	CreatedBy string
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	ExpiresAt *int64

	Scopes       string
	Addresses    string
	LastUsedAt   *int64
	LastUsedFrom string
}

func (tokenRow) TableName() string { return "tokens" }

func tokenRowOf(t account.Token) tokenRow {
	return tokenRow{
		ID: t.ID, Name: t.Name, Role: string(t.Role), Hash: t.Hash,
		CreatedBy: t.CreatedBy, CreatedAt: micros(t.CreatedAt), ExpiresAt: optionalMicros(t.ExpiresAt),
		Scopes: strings.Join(t.Scopes.Names(), " "), Addresses: prefixesText(t.Addresses),
	}
}

// token reads a row. A scope or a network that this program cannot read must not
// widen what the token grants, so the row is refused as a whole.
func (r tokenRow) token() (account.Token, error) {
	scopes, err := account.ParseScopes(strings.Fields(r.Scopes))
	if err != nil {
		return account.Token{}, &domain.Error{Kind: domain.Internal, Detail: "read the scopes of token " + r.ID, Err: err}
	}
	addresses, err := prefixes(r.Addresses)
	if err != nil {
		return account.Token{}, fmt.Errorf("read the addresses of token %s: %w", r.ID, err)
	}
	from, _ := netip.ParseAddr(r.LastUsedFrom) // empty until it is used
	return account.Token{
		ID: r.ID, Name: r.Name, Role: account.Role(r.Role), Hash: r.Hash,
		CreatedBy: r.CreatedBy, CreatedAt: moment(r.CreatedAt), ExpiresAt: optionalMoment(r.ExpiresAt),
		Scopes: scopes, Addresses: addresses, LastUsedAt: optionalMoment(r.LastUsedAt), LastUsedFrom: from,
	}, nil
}

func prefixesText(list []netip.Prefix) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	return strings.Join(texts, " ")
}

func prefixes(text string) (list []netip.Prefix, err error) {
	for field := range strings.FieldsSeq(text) {
		p, err := netip.ParsePrefix(field)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func (r administratorRow) administrator() account.Administrator {
	return account.Administrator{
		Name: r.Name, Role: account.Role(r.Role), PasswordHash: r.PasswordHash, CreatedAt: moment(r.CreatedAt),
		Disabled: r.Disabled,
	}
}

func administratorRowOf(a account.Administrator) administratorRow {
	return administratorRow{a.Name, string(a.Role), a.PasswordHash, micros(a.CreatedAt), a.Disabled}
}

// Administrator is [account.AdministratorStore.Administrator].
func (s *AccountStore) Administrator(ctx context.Context, name string) (account.Administrator, error) {
	var row administratorRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		return tx.Where("name = ?", name).Take(&row).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return account.Administrator{}, noAdministrator(name)
	}
	if err != nil {
		return account.Administrator{}, err
	}
	return row.administrator(), nil
}

func noAdministrator(name string) error {
	return domain.E(domain.NotFound, "there is no administrator %q", name)
}

// SetPasswordHash is [account.AdministratorStore.SetPasswordHash].
func (s *AccountStore) SetPasswordHash(ctx context.Context, name, hash string, at time.Time) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&administratorRow{}).Where("name = ?", name).Update("password_hash", hash)
		if done.Error == nil && done.RowsAffected == 0 {
			return noAdministrator(name)
		}
		if done.Error != nil {
			return done.Error
		}
		var row administratorRow
		if err := tx.Where("name = ?", name).Take(&row).Error; err != nil {
			return err
		}
		return insertEvents(tx, row.administrator().Event(eventlog.AdministratorChanged, at))
	})
}

// Administrators is [account.AdministratorStore.Administrators].
func (s *AccountStore) Administrators(ctx context.Context, after string, limit int) ([]account.Administrator, error) {
	var rows []administratorRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		return tx.Where("name > ?", after).Order("name").Limit(limit).Find(&rows).Error
	})
	list := make([]account.Administrator, len(rows))
	for i, r := range rows {
		list[i] = r.administrator()
	}
	return list, err
}

// CreateFirst is [account.AdministratorStore.CreateFirst].
func (s *AccountStore) CreateFirst(ctx context.Context, a account.Administrator, t account.Token) (created bool, err error) {
	administrator := administratorRowOf(a)
	token := tokenRowOf(t)
	err = s.file.write(ctx, func(tx *gorm.DB) error {
		var others int64
		if err := tx.Model(&administratorRow{}).Count(&others).Error; err != nil || others > 0 {
			return err
		}
		created = true
		if err := tx.Create(&administrator).Error; err != nil {
			return err
		}
		if err := tx.Create(&token).Error; err != nil {
			return err
		}
		return insertEvents(tx, a.Event(eventlog.AdministratorCreated, a.CreatedAt), t.Event(eventlog.TokenCreated, t.CreatedAt))
	})
	return created && err == nil, err
}

// TokenByHash is [account.TokenStore.TokenByHash].
func (s *AccountStore) TokenByHash(ctx context.Context, hash []byte) (account.Token, error) {
	t, err := s.takeToken(ctx, "hash = ?", hash)
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return t, domain.E(domain.NotFound, "there is no such token")
	}
	return t, err
}

// Token is [account.TokenStore.Token].
func (s *AccountStore) Token(ctx context.Context, id string) (account.Token, error) {
	t, err := s.takeToken(ctx, "id = ?", id)
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return t, noToken(id)
	}
	return t, err
}

// takeToken returns the one token that meets the condition.
func (s *AccountStore) takeToken(ctx context.Context, condition string, value any) (account.Token, error) {
	var row tokenRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		return tx.Where(condition, value).Take(&row).Error
	})
	if err != nil {
		return account.Token{}, err
	}
	return row.token()
}

func noToken(id string) error {
	return domain.E(domain.NotFound, "there is no token %q", id)
}

// InsertToken is [account.TokenStore.InsertToken].
func (s *AccountStore) InsertToken(ctx context.Context, t account.Token) error {
	row := tokenRowOf(t)
	err := s.file.write(ctx, func(tx *gorm.DB) error {
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		return insertEvents(tx, t.Event(eventlog.TokenCreated, t.CreatedAt))
	})
	if domain.KindOf(err) == domain.Conflict {
		return &domain.Error{Kind: domain.Conflict, Detail: fmt.Sprintf("there is a token %q already", t.Name), Err: err}
	}
	return err
}

// Tokens is [account.TokenStore.Tokens].
func (s *AccountStore) Tokens(ctx context.Context, after string, limit int) ([]account.Token, error) {
	var rows []tokenRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		return tx.Where("id > ?", after).Order("id").Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	list := make([]account.Token, len(rows))
	for i, r := range rows {
		if list[i], err = r.token(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// DeleteToken is [account.TokenStore.DeleteToken].
func (s *AccountStore) DeleteToken(ctx context.Context, id string, at time.Time) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		var row tokenRow
		if err := tx.Where("id = ?", id).Find(&row).Error; err != nil {
			return err
		}
		done := tx.Where("id = ?", id).Delete(&tokenRow{})
		if done.Error == nil && done.RowsAffected == 0 {
			return noToken(id)
		}
		if done.Error != nil {
			return done.Error
		}
		gone := account.Token{ID: row.ID, Name: row.Name, Role: account.Role(row.Role), CreatedBy: row.CreatedBy}
		return insertEvents(tx, gone.Event(eventlog.TokenDeleted, at)) // one with unreadable limits can be deleted too
	})
}
