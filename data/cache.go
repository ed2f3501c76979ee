package data

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/sysmem"
)

// Cache reads all records of a database and returns a Source that has them in memory.
// It does not close the database. It fails when the records would take more memory
// than is available, half a chunk of 64 MiB more or less.
func Cache(db Source) (Source, error) {
	return cacheWithin(db, func() (int64, bool) {
		info, ok := sysmem.Read()
		return info.Available, ok
	})
}

// cacheChunk is the number of bytes that are allocated at once. A record never lies in
// two chunks.
const cacheChunk = 64 << 20

// cacheWithin is Cache for a machine that has so much memory available, as far as
// that is known.
func cacheWithin(db Source, available func() (bytes int64, known bool)) (Source, error) {
	c := &cache{records: make([]cached, db.Len())}
	var scratch, chunk []byte
	var bytes int64
	for i := range c.records {
		key, value, err := db.Record(i, &scratch)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		n := len(key) + len(value)
		if n > cap(chunk)-len(chunk) {
			if i > 0 { // how large the records are is known
				if err := c.checkRoom(i, bytes, available); err != nil {
					return nil, err
				}
			}
			chunk = make([]byte, 0, max(cacheChunk, n))
		}
		chunk = append(append(chunk, key...), value...)
		record := chunk[len(chunk)-n:][:n:n]
		c.records[i] = cached{record[:len(key):len(key)], record[len(key):]}
		bytes += int64(n)
	}
	return c, nil
}

// checkRoom returns an error if the records after the first n, which have so many
// bytes, do not fit into memory if they are of the same size.
func (c *cache) checkRoom(n int, bytes int64, available func() (int64, bool)) error {
	rest := int64(float64(bytes) / float64(n) * float64(len(c.records)-n))
	if room, known := available(); known && rest > room {
		return fmt.Errorf("the database does not fit into memory: its first %d of %d records have %d MiB, so the others have about %d MiB, and %d MiB are available",
			n, len(c.records), bytes>>20, rest>>20, room>>20)
	}
	return nil
}

// cache is a Source in memory.
type cache struct{ records []cached }

// cached is a record.
type cached struct{ key, value []byte }

func (c *cache) Len() int { return len(c.records) }

func (c *cache) Record(i int, _ *[]byte) (key, value []byte, err error) {
	if i < 0 || i >= len(c.records) {
		return nil, nil, fmt.Errorf("record %d was asked for, there are %d", i, len(c.records))
	}
	return c.records[i].key, c.records[i].value, nil
}

func (c *cache) Close() error { return nil }
