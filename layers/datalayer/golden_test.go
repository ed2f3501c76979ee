package datalayer

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/parallel"
	"google.golang.org/protobuf/proto"
)

// jpegTolerance is, of 255, for pixels of JPEG files: the cosine transforms of Go
// and libjpeg round differently. All else is exact, resized images too.
const jpegTolerance = 2

// sampledTolerance is the same where OpenCV wrote the files, with half as many chroma
// samples each way: their difference counts 1.772 times in blue, on top of the luma's.
const sampledTolerance = 3

// isJPEG reports whether record i was made from a JPEG file: see README.md of the
// golden values.
func isJPEG(i int) bool { return i%10 == 3 }

// TestGolden compares batches with those of Caffe.
func TestGolden(t *testing.T) {
	dir := reference.Golden(t, "formats/data_layers")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name(), "net.prototxt"))
		if err != nil {
			t.Fatal(err)
		}
		ran++
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d threads", e.Name(), threads), func(t *testing.T) {
				golden(t, e.Name(), filepath.Join(dir, e.Name()), string(text), threads)
			})
		}
	}
	if ran < 12 {
		t.Errorf("%d cases were run, want 12 or more", ran)
	}
}

func golden(t *testing.T, name, dir, text string, threads int) {
	t.Chdir(dir)
	file, err := os.ReadFile("golden.binaryproto")
	if err != nil {
		t.Fatal(err)
	}
	var want caffepb.NetParameter
	if err := proto.Unmarshal(file, &want); err != nil {
		t.Fatal(err)
	}
	workers := parallel.NewPool(threads)
	defer workers.Close()
	env := &layers.Env{Phase: caffepb.Phase_TEST, Workers: workers}
	f, err := layertest.SetUp(env, text[strings.Index(text, "layer {"):])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	layertest.Checked(t, f.Info.Type, layertest.Reference)
	scale := float64(f.Spec.Param.GetTransformParam().GetScale())
	if f.Spec.Param.TransformParam == nil {
		scale = 1
	}
	encoded := strings.HasPrefix(name, "encoded_original") || name == "encoded_jpg" || strings.HasPrefix(name, "image_data")
	worst := 0.0
	for pass, entry := range want.GetLayer() {
		if entry.GetName() != fmt.Sprintf("tops_%d", pass) {
			t.Fatalf("entry %d is %s", pass, entry.GetName())
		}
		env.Pass = int64(pass)
		if err := f.Layer.Forward(context.Background(), nil, f.Top); err != nil {
			t.Fatal(err)
		}
		for i, top := range f.Top {
			shape := blob.ProtoShape(entry.GetBlobs()[i])
			if !top.ShapeEqual(shape) {
				t.Fatalf("pass %d, top %d: shape %v, want %v", pass, i, top.Shape(), shape)
			}
			for j, w := range entry.GetBlobs()[i].GetData() {
				item := (pass*top.Num() + j/top.CountFrom(1)) % 60
				got := top.Data()[j]
				off := math.Abs(float64(got)-float64(w)) / scale
				allowed := 0.0
				if i == 0 && encoded && (isJPEG(item) || name == "encoded_jpg") {
					allowed = jpegTolerance
					if name == "encoded_jpg" {
						allowed = sampledTolerance
					}
					worst = max(worst, off)
				}
				if !(off <= allowed) {
					t.Fatalf("pass %d, top %d, number %d, of record %d: got %g, want %g, off by %g of %g", pass, i, j, item, got, w, off, allowed)
				}
			}
		}
	}
	t.Logf("%d batches, largest error of JPEG %.3g of 255", len(want.GetLayer()), worst)
}
