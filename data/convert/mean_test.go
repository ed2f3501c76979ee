package convert

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/lmdb"
	"github.com/gocaffe/gocaffe/internal/reference"
)

// TestComputeMean compares the means of Caffe's databases, and of our own, with
// those that compute_image_mean wrote.
func TestComputeMean(t *testing.T) {
	for database, mean := range map[string]string{"raw_lmdb": "mean.binaryproto", "idx_lmdb": "idx_mean.binaryproto"} {
		t.Run(database, func(t *testing.T) {
			db, err := lmdb.Open(reference.Golden(t, "formats/"+database))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			got, err := ComputeMean(t.Context(), db, nil)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "mean")
			if err := WriteMean(file, got); err != nil {
				t.Fatal(err)
			}
			ours, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(reference.Golden(t, "formats/"+mean))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(ours, want) {
				t.Error("the file differs from Caffe's")
			}
			m, err := data.ReadMean(file)
			if err != nil {
				t.Fatal(err)
			}
			for c, v := range ChannelMeans(got) {
				var sum float64
				for _, x := range m.Data[c*m.Height*m.Width:][:m.Height*m.Width] {
					sum += float64(x)
				}
				if want := sum / float64(m.Height*m.Width); math.Abs(float64(v)-want) > 1e-3 {
					t.Errorf("channel %d: mean %g, want %g", c, v, want)
				}
			}
		})
	}
}

func TestComputeMeanRefuses(t *testing.T) {
	for name, datums := range map[string][]*caffepb.Datum{
		"no records":      nil,
		"images of one":   {raw(1, 2, 2, make([]byte, 4), 0), raw(1, 2, 3, make([]byte, 6), 0)},
		"the datum has 3": {raw(1, 2, 2, make([]byte, 3), 0)},
	} {
		dir := filepath.Join(t.TempDir(), "db")
		j := &job{}
		if err := j.makeDatabase(t.Context(), dir, len(datums), func(i int) (string, *caffepb.Datum, error) { return strconv.Itoa(i), datums[i], nil }); err != nil {
			t.Fatal(err)
		}
		db, err := lmdb.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := ComputeMean(t.Context(), db, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
}
