package layertest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gocaffe/gocaffe/internal/testdata"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// required are the types that must be registered and have golden cases.
var required = []string{
	"Convolution", "Pooling", "LRN",
	"InnerProduct", "BatchNorm", "Scale", "Bias", "Dropout",
	"ReLU", "PReLU", "Sigmoid", "TanH", "Power",
	"SoftmaxWithLoss", "Accuracy", "EuclideanLoss", "HingeLoss",
	"Softmax", "Split", "Concat", "Slice", "Eltwise", "Flatten", "Reshape", "Silence", "ArgMax",
}

// TestGolden runs the cases of the folder in GOCAFFE_GOLDEN, which is seen from
// here or from the repository's root, or else of the reference data.
func TestGolden(t *testing.T) {
	if dir := os.Getenv("GOCAFFE_GOLDEN"); dir != "" {
		if _, err := os.Stat(dir); err != nil && !filepath.IsAbs(dir) {
			dir = filepath.Join("..", "..", dir)
		}
		layertest.Golden(t, dir)
		return
	}
	counts := layertest.Golden(t, testdata.Golden(t, "layers"))
	if counts.Filtered > 0 {
		return
	}
	for _, typ := range required {
		switch {
		case layers.Lookup(typ) == nil:
			t.Errorf("layer type %s is not registered", typ)
		case counts.Passed[typ] == 0:
			t.Errorf("layer type %s passes no golden case", typ)
		}
	}
}
