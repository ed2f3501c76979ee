package yolo_test

import (
	"fmt"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/yolo"
)

// layer returns a layer of bottoms x0, x1, ... with one top.
func layer(typ string, bottoms int, options string) string {
	text := fmt.Sprintf("layer { name: \"l\" type: %q top: \"y\" %s", typ, options)
	for i := range bottoms {
		text += fmt.Sprintf(" bottom: \"x%d\"", i)
	}
	return text + " }"
}

func TestGolden(t *testing.T) {
	layertest.GoldenIn(t, "yolo", reference.ForksFS(t, "layers-yolo"), nil, "Reorg", "Upsample")
}

func TestGoldenDevice(t *testing.T) {
	layertest.GoldenIn(t, "yolo", reference.ForksFS(t, "layers-yolo"), cudatest.Device(t), "Reorg", "Upsample")
}

type testCase struct {
	typ, options string
	bottoms      []*blob.Blob
}

func cases() []testCase {
	x := func() []*blob.Blob { return []*blob.Blob{layertest.Gaussian(1, 2, 8, 6, 4)} }
	return []testCase{
		{"Reorg", "reorg_param { stride: 2 }", x()},
		{"Reorg", "reorg_param { stride: 2 reverse: true }", x()},
		{"Upsample", "", x()},
		{"Upsample", "upsample_param { scale: 3 }", x()},
	}
}

func TestGradient(t *testing.T) {
	for _, c := range cases() {
		f := layertest.New(t, layer(c.typ, len(c.bottoms), c.options), c.bottoms...)
		layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 1e-2, Tolerance: 2e-3})
	}
}

func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, c := range cases() {
		layertest.CheckDevice(t, d, 0, layer(c.typ, len(c.bottoms), c.options), c.bottoms...)
	}
}

func TestPromises(t *testing.T) {
	for _, c := range cases() {
		text := layer(c.typ, len(c.bottoms), c.options)
		layertest.CheckThreads(t, text, c.bottoms...)
		layertest.CheckAllocs(t, text, c.bottoms...)
	}
}

func TestErrors(t *testing.T) {
	x, vector := layertest.Gaussian(1, 1, 8, 3, 5), layertest.Gaussian(1, 8)
	for _, test := range []struct {
		want, typ, options string
		x                  *blob.Blob
	}{
		{"stride is 0, want 1 to 32767", "Reorg", "reorg_param { stride: 0 }", x},
		{"the bottom has 8 channels, which the square of stride 3 does not divide", "Reorg", "reorg_param { stride: 3 }", x},
		{"the bottom has planes of 3 x 5, which stride 2 does not divide", "Reorg", "reorg_param { stride: 2 }", x},
		{"the bottom has shape [8], want 4 axes", "Reorg", "reorg_param { stride: 2 }", vector},
		{`reorg_param needs "stride"`, "Reorg", "", x},
		{"scale is 0, want 1 to 32767", "Upsample", "upsample_param { scale: 0 }", x},
		{"the bottom has shape [8], want 4 axes", "Upsample", "", vector},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, 1, test.options), test.x)
	}
}
