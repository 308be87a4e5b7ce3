package persistence

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"

	"postern/domain"
)

// The migrations, one folder a file of the data directory, are numbered and
// append-only: a released one is never edited, a mistake is mended by the next.
//
//go:embed migrations
var migrations embed.FS

// migrate brings the file to the newest version of the schema. A file that is
// newer than this program is refused: it may hold what this program would
// damage without knowing. It returns the version that the file had; 0 is a new one.
func (f file) migrate(ctx context.Context, schema string, log *slog.Logger) (from int64, err error) {
	provider, err := f.migrationProvider(schema)
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	from, target, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, domain.Wrap(translate(err), "read the version of the schema")
	}
	if from > target {
		return from, domain.E(domain.Conflict,
			"it belongs to a newer version of the program (schema %d, this program knows up to %d)", from, target)
	}
	done, err := provider.Up(ctx)
	for _, m := range done {
		log.InfoContext(ctx, "schema migrated", "version", m.Source.Version, "duration", m.Duration)
	}
	return from, domain.Wrap(translate(err), "migrate the schema")
}

func (f file) migrationProvider(schema string) (*goose.Provider, error) {
	pool, err := f.writer.DB()
	if err != nil {
		return nil, err
	}
	sources, err := fs.Sub(migrations, "migrations/"+schema)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, pool, sources, goose.WithDisableGlobalRegistry(true))
}
