package persistence

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/idempotency"
)

var testKey = idempotency.Key{Caller: "ada", Operation: "createToken", Text: "k"}

func TestIdempotencyKeyOnTheStore(t *testing.T) {
	dir := t.TempDir()
	d := openTest(t, dir)
	now := testTime
	service := func(d *Database) *idempotency.Service {
		return idempotency.NewService(d.Idempotency(), func() time.Time { return now })
	}
	s := service(d)
	if r, err := s.Begin(t.Context(), testKey, []byte("digest")); r != nil || err != nil {
		t.Fatalf("%v, %v", r, err)
	}
	if _, err := s.Begin(t.Context(), testKey, []byte("digest")); domain.KindOf(err) != domain.Conflict {
		t.Errorf("under way: %v", err)
	}
	const secret = "pstn_ONLYSHOWNONCE"
	reply := idempotency.Reply{Status: 201, Header: map[string][]string{"Location": {"/x"}}, Body: []byte(secret)}
	if err := s.Settle(t.Context(), testKey, reply); err != nil {
		t.Fatal(err)
	}
	closeTest(t, d)
	data, err := os.ReadFile(filepath.Join(dir, configurationName))
	if err != nil || bytes.Contains(data, []byte(secret)) {
		t.Errorf("the secret is in the file, or error %v", err)
	}

	d = openTest(t, dir)
	s = service(d)
	r, err := s.Begin(t.Context(), testKey, []byte("digest"))
	if err != nil || r.Status != 201 || r.Header["Location"][0] != "/x" || string(r.Body) != secret {
		t.Fatalf("after a restart: %+v, %v", r, err)
	}
	now = now.Add(idempotency.Keep + time.Second)
	if r, err := s.Begin(t.Context(), testKey, []byte("other")); r != nil || err != nil {
		t.Errorf("a day later: %v, %v", r, err)
	}
	now = now.Add(idempotency.Keep + time.Second)
	if err := s.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	var rows int64
	if err := d.configuration.reader.Model(&idempotencyRow{}).Count(&rows).Error; err != nil || rows != 0 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestOneOfManyClaimsAKey(t *testing.T) {
	store := openTest(t, t.TempDir()).Idempotency()
	var claimed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, won, err := store.Claim(t.Context(), testKey, idempotency.Claim{Digest: []byte("d"), At: testTime}, testTime.Add(-time.Hour))
			if err != nil {
				t.Error(err)
			}
			if won {
				claimed.Add(1)
			}
		})
	}
	wg.Wait()
	if claimed.Load() != 1 {
		t.Errorf("%d claimed the key", claimed.Load())
	}
}

func TestIdempotencyKeysOfACallerAreBounded(t *testing.T) {
	d := openTest(t, t.TempDir())
	fill := `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
		INSERT INTO idempotency_keys (caller, operation, key, digest, created_at) SELECT 'ada', 'o', i, x'', ? FROM n`
	if err := d.configuration.writer.Exec(fill, micros(testTime)).Error; err != nil {
		t.Fatal(err)
	}
	for caller, want := range map[string]domain.Kind{"ada": domain.Exhausted, "olga": domain.Internal} {
		k := idempotency.Key{Caller: caller, Operation: "o", Text: "new"}
		_, claimed, err := d.Idempotency().Claim(t.Context(), k, idempotency.Claim{Digest: []byte("d"), At: testTime}, testTime.Add(-time.Hour))
		if claimed != (caller == "olga") || domain.KindOf(err) != want {
			t.Errorf("%s: claimed %t, error %v", caller, claimed, err)
		}
	}
}
