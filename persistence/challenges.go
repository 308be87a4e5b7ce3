package persistence

import (
	"context"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"postern/domain/acme"
)

// ChallengeStore keeps the answers to ACME challenges (B50).
type ChallengeStore struct{ file file }

var _ acme.ChallengeStore = (*ChallengeStore)(nil)

// Challenges returns the store of the answers to ACME challenges.
func (d *Database) Challenges() *ChallengeStore { return &ChallengeStore{d.configuration} }

type challengeRow struct {
	Token            string `gorm:"primaryKey"`
	KeyAuthorization string
	CreatedAt        int64 `gorm:"autoCreateTime:false"`
	CreatedBy        string
}

func (challengeRow) TableName() string { return "acme_challenges" }

// PutChallenge is [acme.ChallengeStore.PutChallenge].
func (s *ChallengeStore) PutChallenge(ctx context.Context, c acme.Challenge) error {
	row := challengeRow{c.Token, c.KeyAuthorization, micros(c.CreatedAt), c.CreatedBy}
	return s.file.write(ctx, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
	})
}

// Challenges is [acme.ChallengeStore.Challenges].
func (s *ChallengeStore) Challenges(ctx context.Context) (list []acme.Challenge, err error) {
	var rows []challengeRow
	err = s.file.read(ctx, func(tx *gorm.DB) error { return tx.Order("token").Find(&rows).Error })
	for _, r := range rows {
		list = append(list, acme.Challenge{
			Token: r.Token, KeyAuthorization: r.KeyAuthorization, CreatedAt: moment(r.CreatedAt), CreatedBy: r.CreatedBy,
		})
	}
	return list, err
}

// maxTokens is how many tokens one statement names.
const maxTokens = 500

// DeleteChallenges is [acme.ChallengeStore.DeleteChallenges].
func (s *ChallengeStore) DeleteChallenges(ctx context.Context, tokens []string) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		for part := range slices.Chunk(tokens, maxTokens) {
			if err := tx.Where("token IN ?", part).Delete(&challengeRow{}).Error; err != nil {
				return err
			}
		}
		return nil
	})
}
