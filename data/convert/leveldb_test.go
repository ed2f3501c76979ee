package convert

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/internal/reference"
)

// TestLevelDB makes the LevelDB databases that Caffe's tools made, and an LMDB database
// beside one.
func TestLevelDB(t *testing.T) {
	formats := reference.Golden(t, "formats")
	out := t.TempDir()
	o := Options{LevelDB: true}
	made := map[string]string{"idx": filepath.Join(out, "idx"), "raw": filepath.Join(out, "raw")}
	images, err := filepath.Glob(filepath.Join(formats, "idx", "*images*"))
	if err != nil || len(images) != 1 {
		t.Fatal(images, err)
	}
	if err := IDX(t.Context(), images[0], strings.Replace(strings.Replace(images[0], "images", "labels", 1), "idx3", "idx1", 1), made["idx"], o); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Imageset(t.Context(), filepath.Join(formats, "images"), filepath.Join(formats, "list.txt"), made["raw"], ImagesetOptions{Options: o, Height: 10, Width: 12}); err != nil {
		t.Fatal(err)
	}
	for name, dir := range made {
		want, err := data.Open(filepath.Join(formats, name+"_leveldb"), caffepb.DataParameter_LEVELDB)
		if err != nil {
			t.Fatal(err)
		}
		got, err := data.OpenAny(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got.Len() != want.Len() {
			t.Fatalf("%s: %d records, want %d", name, got.Len(), want.Len())
		}
		for i := range want.Len() {
			key, value, err := got.Record(i, nil)
			wantKey, wantValue, wantErr := want.Record(i, nil)
			if err = errors.Join(err, wantErr); err != nil || !bytes.Equal(key, wantKey) || name == "idx" && !bytes.Equal(value, wantValue) {
				t.Fatalf("%s: record %d has key %q, want %q, or another value; error %v", name, i, key, wantKey, err)
			}
		}
		if err := errors.Join(got.Close(), want.Close()); err != nil {
			t.Error(err)
		}
		if _, err := data.Open(dir, caffepb.DataParameter_LMDB); err == nil || !strings.Contains(err.Error(), "is a LevelDB database, and backend is LMDB: write backend: LEVELDB") {
			t.Errorf("as LMDB: %v", err)
		}
		for _, replace := range []bool{false, true} {
			if _, err := data.Create(dir, caffepb.DataParameter_LMDB, replace); err == nil || !strings.Contains(err.Error(), "has a LevelDB database, which an LMDB database does not replace") {
				t.Errorf("LMDB over it, replace %v: %v", replace, err)
			}
		}
		if _, err := data.Create(dir, caffepb.DataParameter_LEVELDB, false); !errors.Is(err, fs.ErrExist) {
			t.Errorf("again: %v", err)
		}
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) != 2 {
		t.Errorf("%v was left, want two databases; error %v", entries, err)
	}
}
