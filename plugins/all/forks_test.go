package all

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/prototxt"
)

// notYet lists the types in the sets of golden cases that no plugin has yet, by root.
// The author of a type deletes its line.
var notYet = map[string][]string{}

// unlike are cases whose values differ from ours on purpose: see
// docs/differences-from-caffe.md.
var unlike = []string{"Lstm/cpu_two_sequences"}

// dialectOf returns the dialect that the cases of a type in a set are in: the one that
// the set is named after, or that of the type in a set of several.
func dialectOf(root, typ string) string {
	name := strings.TrimPrefix(root, "layers-")
	for _, d := range prototxt.Dialects() {
		if d.Name == name {
			return name
		}
	}
	switch typ {
	case "BN":
		return "lsoftmax" // of the set layers
	case "Normalize":
		return "normface"
	case "Axpy":
		return "senet"
	case "BoxAnnotatorOHEM", "PSROIPooling":
		return "rfcn"
	case "DepthwiseConvolution", "Mish", "ShuffleChannel":
		return "mobile"
	case "Lstm", "Reverse", "Transpose":
		return "ctpn"
	case "ROIAlign":
		return "cascade"
	case "CTCGreedyDecoder", "CTCLoss":
		return "ctc"
	}
	return ""
}

// forkSets returns the sets of golden cases of the forks by root: those of the folder
// that GOCAFFE_GOLDEN_FORKS names, or else those that the repository has, with what
// the shared folder adds.
func forkSets(t *testing.T) map[string]fs.FS {
	t.Helper()
	sets := make(map[string]fs.FS)
	if dir := os.Getenv("GOCAFFE_GOLDEN_FORKS"); dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join("..", "..", dir) // go test runs here, but was started at the top
		}
		roots, err := filepath.Glob(filepath.Join(dir, "layers-*"))
		if err != nil || len(roots) == 0 {
			t.Fatalf("GOCAFFE_GOLDEN_FORKS is %s, which has no folder layers-* (error %v)", dir, err)
		}
		for _, root := range roots {
			sets[filepath.Base(root)] = os.DirFS(root)
		}
		return sets
	}
	packed, err := filepath.Glob("../../internal/reference/testdata/golden-forks/*.zip")
	if err != nil || len(packed) == 0 {
		t.Fatalf("%d sets of forks, error %v", len(packed), err)
	}
	for _, file := range packed {
		root := strings.TrimSuffix(filepath.Base(file), ".zip")
		sets[root] = reference.ForksFS(t, root)
	}
	return sets
}

// TestGoldenForks runs every golden case of every fork under its dialect. A type that
// nobody has must be in notYet, and no other.
func TestGoldenForks(t *testing.T) {
	var passed, failed, unknown int
	sets := forkSets(t)
	roots := make([]string, 0, len(sets))
	for root := range sets {
		roots = append(roots, root)
	}
	slices.Sort(roots)
	for _, root := range roots {
		types, err := fs.ReadDir(sets[root], ".")
		if err != nil {
			t.Fatal(err)
		}
		var absent []string
		t.Run(root, func(t *testing.T) {
			for _, entry := range types {
				typ := entry.Name()
				if !entry.IsDir() {
					continue
				}
				counts := layertest.GoldenIn(t, dialectOf(root, typ), reference.Without(sets[root], unlike...), nil, typ)
				passed += counts.Passed[typ]
				failed += counts.Failed[typ]
				unknown += counts.Unknown[typ]
				if counts.Unknown[typ] > 0 {
					absent = append(absent, typ)
				}
			}
		})
		for _, typ := range absent {
			if !slices.Contains(notYet[root], typ) {
				t.Errorf("%s: no plugin has the type %s in the dialect %q", root, typ, dialectOf(root, typ))
			}
		}
		for _, typ := range notYet[root] {
			if !slices.Contains(absent, typ) {
				t.Errorf("%s: a plugin has the type %s: delete its line from notYet", root, typ)
			}
		}
	}
	fmt.Printf("fork cases: %d passed, %d failed, %d of unknown type\n", passed, failed, unknown)
}
