package lmdb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenAbsent(t *testing.T) {
	t.Chdir(t.TempDir())
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("empty/folder/data.mdb", 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"examples/train_lmdb": `"examples/train_lmdb": there is no file ` + wd + "/examples/train_lmdb (working directory " + wd + ")",
		"empty":               `"empty": there is no file ` + wd + "/empty/data.mdb (working directory " + wd + ")",
		"/no/such/db":         `"/no/such/db": there is no file /no/such/db`,
		"empty/folder":        "empty/folder/data.mdb is a folder, want a regular file",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Open(%q): got %v, want one line with %s", path, err, want)
		}
	}
}

// readAll reads everything by cursor and by number, and returns the keys and values
// that the cursor found, and the first error.
func readAll(b []byte) (records []record, err error) {
	db, err := inMemory(b)
	if err != nil {
		return nil, err
	}
	c := db.Cursor()
	for c.Next() {
		records = append(records, record{bytes.Clone(c.Key()), bytes.Clone(c.Value())})
	}
	if err = c.Err(); err == nil && len(records) != db.Len() {
		err = fmt.Errorf("%d records by cursor, want %d", len(records), db.Len())
	}
	var scratch []byte
	for i := range db.Len() {
		key, value, err2 := db.Record(i, &scratch)
		if err2 != nil {
			return records, errors.Join(err, err2)
		}
		if i < len(records) && (!bytes.Equal(key, records[i].key) || !bytes.Equal(value, records[i].value)) {
			return records, errDiffers
		}
	}
	c.Seek([]byte("00000100"))
	for c.Next() {
	}
	return records, err
}

var errDiffers = errors.New("a record differs between the cursor and its number")

func TestTruncated(t *testing.T) {
	dir := write(t, counted(200, 5000))
	file := filepath.Join(dir, dataFile)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, metaEnd - 1, metaEnd, pageSize, 2 * pageSize, 3 * pageSize, len(whole) / 2, len(whole) - pageSize, len(whole) - 1} {
		if err := os.WriteFile(file, whole[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		db, err := Open(dir)
		if err == nil {
			db.Close()
			t.Errorf("%d of %d bytes: opened", size, len(whole))
		} else if !strings.HasPrefix(err.Error(), file) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%d of %d bytes: %q, want one line that begins with %s", size, len(whole), err, file)
		}
	}
}

// TestChangedWhileOpen cuts the file of an open database short, and writes another
// one over it. What is then read is what was there before or is there now, or an
// error that names the file. If the file were mapped into memory, the program would
// end with a fault.
func TestChangedWhileOpen(t *testing.T) {
	before := counted(200, 5000)
	other := content(t, counted(150, 7000))
	for name, change := range map[string]func(file *os.File) error{
		"empty":       func(f *os.File) error { return f.Truncate(0) },
		"a few pages": func(f *os.File) error { return f.Truncate(5*pageSize + 100) },
		"half":        func(f *os.File) error { return f.Truncate(200 * 2500 / 2) },
		"zeros": func(f *os.File) error {
			_, err := f.WriteAt(make([]byte, 100*pageSize), 0)
			return err
		},
		"another database": func(f *os.File) error {
			if err := f.Truncate(0); err != nil {
				return err
			}
			_, err := f.WriteAt(other, 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, before)
			db := open(t, dir)
			c := db.Cursor()
			var scratch []byte
			for range 3 {
				if !c.Next() {
					t.Fatal(c.Err())
				}
			}
			if _, _, err := db.Record(100, &scratch); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, dataFile)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(change(f), f.Close()); err != nil {
				t.Fatal(err)
			}
			failed := 0
			for i := range db.Len() {
				if _, _, err := db.Record(i, &scratch); err != nil {
					failed++
					if !strings.HasPrefix(err.Error(), path) || strings.Contains(err.Error(), "\n") {
						t.Fatalf("record %d: %q, want one line that begins with %s", i, err, path)
					}
				}
			}
			if failed == 0 {
				t.Error("no record gives an error")
			}
			for c.Next() {
			}
			if err := c.Err(); err == nil || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("by cursor: %v, want an error that begins with %s", err, path)
			}
		})
	}
}

// TestEveryDamagedByte changes each byte of the pages of a small database. What
// is read may then be wrong, but reading must end, without a panic.
func TestEveryDamagedByte(t *testing.T) {
	whole := content(t, append(counted(150, 30), record{[]byte("z"), bytes.Repeat([]byte("z"), 3000)}))
	noticed := 0
	for i := range whole {
		if i%pageSize > 400 && i%5 > 0 {
			continue // mostly values
		}
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0xff
		records, err := readAll(damaged)
		if len(records) > 151 || errors.Is(err, errDiffers) {
			t.Fatalf("byte %d: %d records and error %v", i, len(records), err)
		}
		if err != nil {
			noticed++
		}
	}
	// of the newer meta page, and of headers and offsets of the pages
	if want := 400; noticed < want {
		t.Errorf("%d damaged bytes were noticed, want %d", noticed, want)
	}
}

// TestWrongCount has a header that counts fewer or more records than there are.
func TestWrongCount(t *testing.T) {
	for n, want := range map[int]string{
		1:   "it has more than the 1 records that its header says",
		149: "it has more than the 149 records that its header says",
		151: "it has fewer than the 151 records that its header says",
		160: "it has fewer than the 160 records that its header says",
	} {
		whole := content(t, counted(150, 30))
		for _, meta := range []int{0, pageSize} {
			le.PutUint64(whole[meta+mainTreeAt+treeEntriesAt:], uint64(n))
		}
		db, err := newDB("file", bytes.NewReader(whole), int64(len(whole)), func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		var scratch []byte
		for i := 0; err == nil && i < db.Len(); i++ {
			_, _, err = db.Record(i, &scratch)
		}
		c := db.Cursor()
		for c.Next() {
		}
		for how, err := range map[string]error{"by number": err, "by cursor": c.Err()} {
			if err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%d in the header, read %s: got %v, want %s", n, how, err, want)
			}
		}
	}
}

// content returns the file of a database.
func content(t testing.TB, records []record) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(write(t, records), dataFile))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCircle makes branch pages that name themselves.
func TestCircle(t *testing.T) {
	whole := content(t, longKeys(2000))
	for p := 2 * pageSize; p < len(whole); p += pageSize {
		if le.Uint16(whole[p+pageFlagsAt:]) == pageBranch {
			for i := range page(whole[p : p+pageSize]).nodes() {
				at := p + int(le.Uint16(whole[p+headerSize+2*i:]))
				le.PutUint32(whole[at:], uint32(p/pageSize))
			}
		}
	}
	if _, err := readAll(whole); err == nil {
		t.Error("a tree in circles was read without an error")
	}
}

// FuzzLMDB reads any bytes as a database. Whatever they are, reading ends without a
// panic, and gives the same by cursor and by number.
func FuzzLMDB(f *testing.F) {
	for _, records := range [][]record{nil, counted(1, 10), counted(100, 60), counted(5, 9000), longKeys(20)} {
		f.Add(content(f, records))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if records, err := readAll(b); errors.Is(err, errDiffers) {
			t.Fatalf("%d records and error %v", len(records), err)
		}
	})
}
