package datalayer

import (
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
)

// TestDevice checks that the batches on a GPU are those on the host, in order and
// after jumps, of images of one size and of several.
func TestDevice(t *testing.T) {
	db, list := database(t, 10), imageFolder(t, 10)
	sizes := strings.Replace(dataText(reference.Golden(t, "formats/encoded_original_lmdb"), "transform_param { force_color: true }"), "batch_size: 4", "batch_size: 1", 1)
	d := cudatest.Device(t)
	for name, text := range map[string]string{
		"Data":      dataText(db, "transform_param { crop_size: 4 mirror: true }"),
		"ImageData": imageText(list, "shuffle: true", "scale: 0.5"),
		"sizes":     sizes,
	} {
		passes := append(upTo(7), 3, 4, 1, 1, 100, 101)
		want := run(t, &layers.Env{Seed: 5}, text, passes...)
		if got := run(t, &layers.Env{Seed: 5, Device: d}, text, passes...); !slices.EqualFunc(got, want, slices.Equal[[]float32]) {
			t.Errorf("%s: other data on a GPU", name)
		}
	}
}
