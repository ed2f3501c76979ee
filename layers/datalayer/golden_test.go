package datalayer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/parallel"
	"google.golang.org/protobuf/proto"
)

// TestGolden compares batches with those of Caffe, to the bit.
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
				golden(t, filepath.Join(dir, e.Name()), string(text), threads)
			})
		}
	}
	hdf5 := reference.Golden(t, "formats/hdf5_data")
	text, err := os.ReadFile(filepath.Join(hdf5, "net.prototxt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 3} {
		t.Run(fmt.Sprintf("hdf5_data/%d threads", threads), func(t *testing.T) {
			hdf5test.Need(t)
			golden(t, hdf5, string(text), threads)
		})
	}
	if ran < 12 {
		t.Errorf("%d cases were run, want 12 or more", ran)
	}
}

func golden(t *testing.T, dir, text string, threads int) {
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
				if got != w {
					t.Fatalf("pass %d, top %d, number %d, of record %d: got %g, want %g", pass, i, j, item, got, w)
				}
			}
		}
	}
	t.Logf("%d batches", len(want.GetLayer()))
}
