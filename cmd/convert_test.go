package gocaffecmd

import (
	"bytes"
	"image"
	"image/jpeg"
	"os"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data/lmdb"
	"github.com/gocaffe/gocaffe/internal/reference"
)

// TestConvertImageset has images that cannot be read: when they are few they are
// left out, when they are many nothing is written and an old database stays.
func TestConvertImageset(t *testing.T) {
	images := reference.Golden(t, "formats/images")
	t.Chdir(t.TempDir())
	writeFiles(t, ".", map[string]string{
		"some": "colour00.png 1\nabsent.png 2\ncolour01.png 3\n",
		"none": "absent.png 2\n",
		"many": "colour00.png 1 0 2\n",
	})
	records := func() int {
		db, err := lmdb.Open("db")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		return db.Len()
	}
	for _, tt := range []struct {
		args    []string
		code    int
		want    string // the end of what is printed
		records int
	}{
		{[]string{"some"}, 1, "gocaffe: db was not written: 1 of 3 images were left out, more than 10 %\n", -1},
		{[]string{"some", "--max-bad", "30"}, 1, "gocaffe: db was not written: 1 of 3 images were left out, more than 30 %\n", -1},
		{[]string{"some", "--max-bad", "40"}, 0, "] 1 of 3 images were left out\n", 2},
		{[]string{"some", "--max-bad", "40"}, 1, "gocaffe: db: file already exists: there is an LMDB database already; --force replaces it\n", 2},
		{[]string{"none", "--max-bad", "100", "--force"}, 1, "gocaffe: db was not written: 1 of 1 images were left out\n", 2},
		{[]string{"some", "--force"}, 1, "more than 10 %\n", 2},
		{[]string{"many", "--force"}, 1, "gocaffe: db was not written: 1 of 1 images were left out\n", 2},
		{[]string{"many", "--label-db", "labels", "--force"}, 0, "", 1},
		{[]string{"some", "--max-bad", "100", "--force"}, 0, "1 of 3 images were left out\n", 2},
		{[]string{"some", "--max-bad", "101"}, 1, "gocaffe: --max-bad is 101, want 0 to 100 percent\n", 2},
		{[]string{"some", "--max-bad", "nan"}, 1, "gocaffe: --max-bad is NaN, want 0 to 100 percent\n", 2},
	} {
		code, _, stderr := run(append([]string{"convert", "imageset", images, tt.args[0], "db"}, tt.args[1:]...)...)
		if code != tt.code || !strings.HasSuffix(stderr, tt.want) && (code != 0 || !strings.Contains(stderr, tt.want+"I")) {
			t.Errorf("%v: exit code %d\n%swant %d and %s", tt.args, code, stderr, tt.code, tt.want)
		}
		if tt.records < 0 {
			if _, err := os.Stat("db"); err == nil {
				t.Errorf("%v: there is a database", tt.args)
			}
		} else if n := records(); n != tt.records {
			t.Errorf("%v: the database has %d records, want %d", tt.args, n, tt.records)
		}
		if tt.args[0] == "many" && code != 0 && !strings.Contains(stderr, "the line has 3 labels, one is expected; a database of labels (--label-db) holds several") {
			t.Errorf("several labels: %s", stderr)
		}
	}
}

// TestConvertDamaged: a JPEG file that is cut short is used as far as it goes, as in
// Caffe, but not silently.
func TestConvertDamaged(t *testing.T) {
	t.Chdir(t.TempDir())
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 64)), nil); err != nil {
		t.Fatal(err)
	}
	write(t, "whole.jpg", b.String())
	write(t, "cut.jpg", b.String()[:b.Len()-20])
	write(t, "list", "whole.jpg 0\ncut.jpg 1\n")
	for _, args := range [][]string{nil, {"--resize-height", "8", "--resize-width", "8"}, {"--encoded"}} {
		_, log := mustRun(t, append([]string{"convert", "imageset", ".", "list", "db", "--force"}, args...)...)
		for _, want := range []string{`] list:2: "cut.jpg": the JPEG file is damaged: `, "] 1 of 2 images are damaged and in the database as far as they could be decoded\n"} {
			if strings.Count(log, want) != 1 {
				t.Errorf("%v: want %q once in\n%s", args, want, log)
			}
		}
	}
}
