package leveldb

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/internal/testtool"
	"github.com/syndtr/goleveldb/leveldb"
	"google.golang.org/protobuf/proto"
)

// TestCaffes reads databases written by Caffe: one has a table, the others only a log.
// Nothing in the folders changes, and another process may have them open.
func TestCaffes(t *testing.T) {
	for _, name := range []string{"idx", "raw", "gray_encoded_png", "encoded_jpg"} {
		t.Run(name, func(t *testing.T) {
			dir := reference.Golden(t, "formats/"+name+"_leveldb")
			before := listing(t, dir)
			db := open(t, dir)
			again := open(t, dir)
			text, err := os.ReadFile(reference.Golden(t, "formats/"+name+"_leveldb.txt"))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
			if db.Len() != len(lines) || again.Len() != len(lines) {
				t.Fatalf("%d and %d records, want %d", db.Len(), again.Len(), len(lines))
			}
			for i, line := range lines {
				key, value, err := db.Record(i, nil)
				if err != nil {
					t.Fatal(err)
				}
				var d caffepb.Datum
				if err := proto.Unmarshal(value, &d); err != nil {
					t.Fatal(err)
				}
				encoded := 0
				if d.GetEncoded() {
					encoded = 1
				}
				got := fmt.Sprintf("%s %d %d %d %d %d %d %x", key, d.GetChannels(), d.GetHeight(), d.GetWidth(), d.GetLabel(), encoded, len(d.GetData()), sha256.Sum256(d.GetData()))
				if got != line {
					t.Fatalf("record %d\ngot  %s\nwant %s", i, got, line)
				}
			}
			if after := listing(t, dir); after != before {
				t.Errorf("the folder had\n%s\nand has\n%s", before, after)
			}
		})
	}
}

func open(t testing.TB, dir string) *DB {
	t.Helper()
	db, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func listing(t testing.TB, dir string) string {
	t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, e.Name(), info.Size(), info.ModTime())
	}
	return all.String()
}

// write writes n records of 10 to 5,000 bytes.
func write(t testing.TB, dir string, n int, replace bool) {
	t.Helper()
	w, err := Create(dir, replace)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i := range n {
		if err := w.Append(record(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func record(i int) (key, value []byte) {
	return fmt.Appendf(nil, "%08d", i), bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 5+i*7919%2500)
}

// TestRoundTrip writes more than the library holds in memory, which creates tables and a
// log, and reads it while goleveldb has it open for writing.
func TestRoundTrip(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 70 MB")
	}
	const n = 28000
	dir := filepath.Join(t.TempDir(), "parent", "db")
	write(t, dir, n, false)
	writer, err := leveldb.OpenFile(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if tables, _ := filepath.Glob(dir + "/*.ldb"); len(tables) == 0 {
		t.Error("the database has no table: the test checks too little")
	}
	db := open(t, dir)
	if db.Len() != n {
		t.Fatalf("%d records, want %d", db.Len(), n)
	}
	for i := 0; i < n; i += 501 {
		key, value, err := db.Record(i, nil)
		if wantKey, want := record(i); err != nil || !bytes.Equal(key, wantKey) || !bytes.Equal(value, want) {
			t.Fatalf("record %d: key %s, %d bytes, error %v; want key %s, %d bytes", i, key, len(value), err, wantKey, len(want))
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestLevelDBReadsOurs has Google's LevelDB, with all of its checks, read a database of
// several tables and one of a log alone.
func TestLevelDBReadsOurs(t *testing.T) {
	for _, n := range []int{3, 6000} {
		dir := filepath.Join(t.TempDir(), "db")
		write(t, dir, n, false)
		got := testtool.Python(t, "plyvel", `
import plyvel, hashlib, sys
db = plyvel.DB(sys.argv[1], create_if_missing=False, paranoid_checks=True)
sum = hashlib.sha256()
n = 0
for key, value in db.iterator(verify_checksums=True):
    sum.update(key + value); n += 1
print(n, sum.hexdigest())`, dir)
		sum := sha256.New()
		for i := range n {
			key, value := record(i)
			sum.Write(key)
			sum.Write(value)
		}
		if want := fmt.Sprintf("%d %x\n", n, sum.Sum(nil)); got != want {
			t.Errorf("LevelDB reads %s, want %s", got, want)
		}
	}
}

func TestCreate(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "db")
	write(t, dir, 3, false)
	if _, err := Create(dir, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("replacing a database: %v", err)
	}
	w, err := Create(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append([]byte("b"), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Append([]byte("a"), nil); err == nil || !strings.Contains(err.Error(), `LevelDB key "a" follows "b", want keys in increasing order`) {
		t.Errorf("decreasing keys: %v", err)
	}
	w.Abort()
	if db := open(t, dir); db.Len() != 3 {
		t.Errorf("after Abort %d records, want the old 3", db.Len())
	}
	write(t, dir, 5, true)
	if db := open(t, dir); db.Len() != 5 {
		t.Errorf("after replacing %d records, want 5", db.Len())
	}
	other := filepath.Join(parent, "other")
	if err := os.MkdirAll(filepath.Join(other, "photos"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(other, true); err == nil || !strings.Contains(err.Error(), "contains files that do not belong to a LevelDB database") {
		t.Errorf("in a folder with other files: %v", err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 2 {
		t.Errorf("%v in the parent, error %v, want db and other", entries, err)
	}
}

func TestOpenErrors(t *testing.T) {
	empty := t.TempDir()
	if _, err := Open(empty); err == nil || !strings.Contains(err.Error(), "is not a LevelDB database: want a folder with a file CURRENT") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Open(filepath.Join(empty, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	part := t.TempDir()
	if err := os.WriteFile(filepath.Join(part, current), []byte("MANIFEST-000002\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(part); err == nil || !strings.Contains(err.Error(), "is incomplete: it has no .log and no .ldb file") {
		t.Errorf("a part of a database: %v", err)
	}
	if err := os.WriteFile(filepath.Join(empty, "000003.log"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(empty, current), []byte("../../etc/passwd\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(empty); err == nil || !strings.Contains(err.Error(), "want the name of a manifest") {
		t.Errorf("a strange CURRENT: %v", err)
	}
}

// FuzzLevelDB damages the files of a small database. Reading must end with an error or
// with records.
func FuzzLevelDB(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "db")
	write(f, dir, 6, false)
	names, err := filepath.Glob(dir + "/[0-9M]*")
	if err != nil || len(names) < 2 {
		f.Fatal(names, err)
	}
	files := make([][]byte, len(names))
	for i, name := range names {
		if files[i], err = os.ReadFile(name); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(uint8(0), uint16(0), []byte{1})
	f.Add(uint8(1), uint16(7), []byte("abcdefgh"))
	f.Fuzz(func(t *testing.T, which uint8, at uint16, patch []byte) {
		for i, name := range names {
			b := bytes.Clone(files[i])
			if i == int(which)%len(names) {
				copy(b[int(at)%(len(b)+1):], patch)
			}
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		db, err := Open(dir)
		if err != nil {
			return
		}
		defer db.Close()
		for i := range db.Len() {
			db.Record(i, nil)
		}
	})
}
