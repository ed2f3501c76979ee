package data

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// rows is a Source of records of equal size, of which one may be missing.
type rows struct{ records, size, missing int }

func (r rows) Len() int     { return r.records }
func (r rows) Close() error { return nil }

func (r rows) Record(i int, scratch *[]byte) (key, value []byte, err error) {
	if i == r.missing {
		return nil, nil, errors.New("it is missing")
	}
	*scratch = append((*scratch)[:0], bytes.Repeat([]byte{byte(i)}, r.size)...)
	return fmt.Appendf(nil, "%04d", i), *scratch, nil
}

func TestCache(t *testing.T) {
	for _, db := range []rows{{300, 10, -1}, {3, cacheChunk - 3, -1}, {3, cacheChunk/2 - 4, -1}, {1, 0, -1}, {0, 0, -1}} {
		c, err := Cache(db)
		if err != nil {
			t.Fatal(err)
		}
		if c.Len() != db.records {
			t.Errorf("%d records, want %d", c.Len(), db.records)
		}
		for i := range db.records {
			key, value, err := c.Record(i, nil)
			if want := bytes.Repeat([]byte{byte(i)}, db.size); err != nil || string(key) != fmt.Sprintf("%04d", i) || !bytes.Equal(value, want) {
				t.Errorf("record %d of %d bytes: key %q, %d bytes, error %v", i, db.size, key, len(value), err)
			}
		}
		for _, i := range []int{-1, db.records} {
			if _, _, err := c.Record(i, nil); err == nil {
				t.Errorf("no error for record %d of %d", i, db.records)
			}
		}
	}
}

func TestCacheErrors(t *testing.T) {
	if _, err := Cache(rows{30, 1, 17}); err == nil || err.Error() != "record 17: it is missing" {
		t.Errorf("got %v, want the error of record 17", err)
	}
	// Two chunks of three records each; the first was allocated when the rest is asked about.
	db := rows{6, cacheChunk/3 - 4, -1}
	room := func(n int64) func() (int64, bool) { return func() (int64, bool) { return n, true } }
	if _, err := cacheWithin(db, room(cacheChunk)); err != nil {
		t.Errorf("room for one more chunk: %v", err)
	}
	_, err := cacheWithin(db, room(cacheChunk-100))
	if want := "the database does not fit into memory: its first 3 of 6 records have 63 MiB, so the others have about 63 MiB, and 63 MiB are available"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	if _, err := cacheWithin(db, func() (int64, bool) { return 0, false }); err != nil {
		t.Errorf("where nothing is known about memory: %v", err)
	}
}
