package lmdb

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

type record struct{ key, value []byte }

// counted returns n records whose values have sizes from 0 to most bytes.
func counted(n, most int) []record {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	records := make([]record, n)
	for i := range records {
		value := make([]byte, r.IntN(most+1))
		for j := range value {
			value[j] = byte(r.Uint32())
		}
		records[i] = record{fmt.Appendf(nil, "%08d", i), value}
	}
	return records
}

// longKeys returns records with keys of all sizes, which differ at their ends,
// so that few fit on a branch.
func longKeys(n int) []record {
	records := make([]record, n)
	for i := range records {
		key := bytes.Repeat([]byte{'a'}, MaxKeySize)
		copy(key[MaxKeySize-6:], fmt.Sprintf("%06d", i))
		records[i] = record{key, []byte{byte(i)}}
	}
	for i := range MaxKeySize - 1 { // "b", "bb", ...
		records = append(records, record{bytes.Repeat([]byte{'b'}, i+1), nil})
	}
	return records
}

// edges has values around the size from which they go to overflow pages, and
// around whole numbers of these pages.
func edges() []record {
	var records []record
	limit := nodeLimit(pageSize) - nodeHeaderSize - 8
	for _, size := range []int{0, 1, limit - 1, limit, limit + 1, pageSize - headerSize - 1, pageSize - headerSize, pageSize - headerSize + 1,
		2*pageSize - headerSize, 2*pageSize - headerSize + 1, 100 << 10} {
		records = append(records, record{fmt.Appendf(nil, "%08d", size), bytes.Repeat([]byte{byte(size)}, size)})
	}
	return records
}

var databases = map[string][]record{
	"empty":     nil,
	"one":       {{[]byte("k"), []byte("v")}},
	"no value":  {{[]byte("k"), nil}},
	"small":     counted(20000, 40),
	"medium":    counted(3000, 3000),
	"large":     counted(60, 100<<10),
	"long keys": longKeys(2000),
	"edges":     edges(),
}

// write makes a database and returns its folder.
func write(t testing.TB, records []record) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	w, err := Create(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Append(r.key, r.value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	w.Abort() // as a deferred call would
	if files, _ := os.ReadDir(dir); len(files) != 1 || files[0].Name() != dataFile {
		t.Fatalf("the folder has %v, want only %s", files, dataFile)
	}
	return dir
}

// open opens a database until the test ends.
func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// inMemory opens a database of which this is the file.
func inMemory(b []byte) (*DB, error) {
	return newDB("memory", bytes.NewReader(b), int64(len(b)), func() error { return nil })
}

func TestRoundTrip(t *testing.T) {
	for name, want := range databases {
		t.Run(name, func(t *testing.T) {
			db := open(t, write(t, want))
			if db.Len() != len(want) {
				t.Fatalf("%d records, want %d", db.Len(), len(want))
			}
			c := db.Cursor()
			for i, r := range want {
				if !c.Next() {
					t.Fatalf("the cursor ends before record %d: %v", i, c.Err())
				}
				if !bytes.Equal(c.Key(), r.key) || !bytes.Equal(c.Value(), r.value) {
					t.Fatalf("cursor: record %d has key %.20q and %d bytes, want %.20q and %d", i, c.Key(), len(c.Value()), r.key, len(r.value))
				}
			}
			if c.Next() || c.Err() != nil {
				t.Fatalf("the cursor goes on after the last record, error %v", c.Err())
			}
			var scratch []byte
			for _, i := range rand.New(rand.NewPCG(2, 3)).Perm(len(want)) {
				key, value, err := db.Record(i, &scratch)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(key, want[i].key) || !bytes.Equal(value, want[i].value) {
					t.Fatalf("record %d has key %.20q and %d bytes, want %.20q and %d", i, key, len(value), want[i].key, len(want[i].value))
				}
			}
			for _, i := range []int{-1, len(want)} {
				if _, _, err := db.Record(i, &scratch); err == nil {
					t.Errorf("record %d of %d was read", i, len(want))
				}
			}
		})
	}
}

// TestBranchesHaveTwoNodes has as many leaves as it takes for a last branch to
// come out with one node: liblmdb asserts that there are two.
func TestBranchesHaveTwoNodes(t *testing.T) {
	for n := 2; n < 70; n += 1 + n/20 {
		var records []record
		for i := range 2 * n { // two on a leaf, eight leaves on a branch
			key := bytes.Repeat([]byte{'a'}, MaxKeySize)
			copy(key, fmt.Sprintf("%06d", i))
			records = append(records, record{key, make([]byte, 1500)})
		}
		whole := content(t, records)
		branches := 0
		for p := 2 * pageSize; p < len(whole); p += pageSize {
			if le.Uint16(whole[p+pageFlagsAt:]) == pageBranch {
				branches++
				if nodes := page(whole[p:]).nodes(); nodes < 2 {
					t.Errorf("%d leaves: the branch page %d has %d nodes", n, p/pageSize, nodes)
				}
			}
		}
		if want := (n + 7) / 8; branches < want {
			t.Errorf("%d leaves have %d branches, want %d or more", n, branches, want)
		}
		if got, err := readAll(whole); err != nil || len(got) != 2*n {
			t.Errorf("%d of %d records, error %v", len(got), 2*n, err)
		}
	}
}

func TestSeek(t *testing.T) {
	var records []record
	for i := range 5000 {
		records = append(records, record{fmt.Appendf(nil, "%08d", 2*i), []byte{byte(i)}})
	}
	c := open(t, write(t, records)).Cursor()
	for _, test := range []struct{ seek, want string }{
		{"", "00000000"}, {"00000000", "00000000"}, {"00000001", "00000002"}, {"00004242", "00004242"},
		{"00004243", "00004244"}, {"000042", "00004200"}, {"00009998", "00009998"}, {"00009999", ""}, {"x", ""}, {"00000007", "00000008"},
	} {
		c.Seek([]byte(test.seek))
		got := ""
		if c.Next() {
			got = string(c.Key())
		}
		if got != test.want || c.Err() != nil {
			t.Errorf("the first key from %q on is %q, want %q, error %v", test.seek, got, test.want, c.Err())
		}
	}
	for i := range 5000 { // every key, and what follows it
		c.Seek(records[i].key)
		for j := i; j < min(i+3, len(records)); j++ {
			if !c.Next() || !bytes.Equal(c.Key(), records[j].key) {
				t.Fatalf("%d after %q comes %q, want %q", j-i, records[i].key, c.Key(), records[j].key)
			}
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "absent", "db")
	w, err := Create(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append([]byte("b"), nil); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "", strings.Repeat("c", MaxKeySize+1)} {
		if err := w.Append([]byte(key), nil); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("key %.20q: got %v, want an error that names %s", key, err, dir)
		}
	}
	w.Abort()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Abort the folder is there: %v", err)
	}
}

func TestCreateKeepsOrReplaces(t *testing.T) {
	dir := write(t, counted(3, 10))
	if _, err := Create(dir, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a database: %v, want fs.ErrExist", err)
	}
	w, err := Create(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append([]byte("k"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		db, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		return db.Len()
	}
	if n := count(); n != 3 {
		t.Errorf("before Commit the old database has %d records, want 3", n)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 1 {
		t.Errorf("after Commit there are %d records, want 1", n)
	}
	if _, err := Create(filepath.Join(dir, dataFile), false); err == nil || !strings.Contains(err.Error(), dataFile) {
		t.Errorf("Create where there is a file: %v, want an error that names it", err)
	}
}

// tool runs one of liblmdb's programs.
func tool(t *testing.T, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: install lmdb-utils", err)
		}
		t.Skipf("SKIPPED, not compared with liblmdb: %v (install lmdb-utils)", err)
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return out
}

// TestLiblmdbReadsOurs compares what liblmdb's programs find with what was
// written.
func TestLiblmdbReadsOurs(t *testing.T) {
	for name, want := range databases {
		t.Run(name, func(t *testing.T) {
			dir := write(t, want)
			stat := string(tool(t, "mdb_stat", "-e", "-f", dir))
			for _, line := range []string{fmt.Sprintf("Entries: %d\n", len(want)), "Page size: 4096", "Free pages: 0"} {
				if !strings.Contains(stat, line) {
					t.Errorf("mdb_stat does not say %q:\n%s", line, stat)
				}
			}
			lines := bufio.NewScanner(bytes.NewReader(tool(t, "mdb_dump", dir)))
			lines.Buffer(nil, 1<<20)
			next := func() string {
				if !lines.Scan() {
					t.Fatal("mdb_dump ends early")
				}
				return lines.Text()
			}
			for next() != "HEADER=END" {
			}
			for i, r := range want {
				if key, value := next(), next(); key != " "+hex.EncodeToString(r.key) || value != " "+hex.EncodeToString(r.value) {
					t.Fatalf("mdb_dump has key %s for record %d, want %x, or another value", key, i, r.key)
				}
			}
			if end := next(); end != "DATA=END" {
				t.Errorf("mdb_dump goes on with %.40q", end)
			}
		})
	}
}

// TestLiblmdbChangesOurs lets liblmdb load records into a database of ours,
// which is then read again, with both meta pages and free pages in use.
func TestLiblmdbChangesOurs(t *testing.T) {
	records := counted(2000, 300)
	dir := write(t, records)
	dump := tool(t, "mdb_dump", write(t, []record{{[]byte("00000007"), []byte("seven")}, {[]byte("x"), bytes.Repeat([]byte("y"), 9000)}}))
	tool(t, "mdb_load", "-V")
	for range 2 {
		load := exec.Command("mdb_load", dir)
		load.Stdin = bytes.NewReader(dump)
		if out, err := load.CombinedOutput(); err != nil {
			t.Fatalf("mdb_load: %v: %s", err, out)
		}
	}
	records[7].value = []byte("seven")
	records = append(records, record{[]byte("x"), bytes.Repeat([]byte("y"), 9000)})
	db := open(t, dir)
	c := db.Cursor()
	for i, r := range records {
		if !c.Next() || !bytes.Equal(c.Key(), r.key) || !bytes.Equal(c.Value(), r.value) {
			t.Fatalf("record %d is %q, want %q, error %v", i, c.Key(), r.key, c.Err())
		}
	}
	if c.Next() || c.Err() != nil || db.Len() != len(records) {
		t.Fatalf("%d records, want %d, error %v", db.Len(), len(records), c.Err())
	}
}
