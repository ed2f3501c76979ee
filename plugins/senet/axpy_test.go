package senet_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/senet"
)

func TestMain(m *testing.M) { layertest.Main(m) }

const layer = `layer { name: "axpy" type: "Axpy" bottom: "a" bottom: "x" bottom: "y" top: "z" }`

func TestGolden(t *testing.T) {
	layertest.GoldenIn(t, "senet", reference.ForksFS(t, "layers-misc"), nil, "Axpy")
}

func TestGoldenDevice(t *testing.T) {
	layertest.GoldenIn(t, "senet", reference.ForksFS(t, "layers-misc"), cudatest.Device(t), "Axpy")
}

func TestGradient(t *testing.T) {
	for _, shape := range [][]int{{2, 3, 4, 5}, {2, 3}, {2, 3, 4}} {
		a := []int{2, 3, 1, 1}
		f := layertest.New(t, layer, layertest.Gaussian(1, a[:len(shape)]...), layertest.Gaussian(2, shape...), layertest.Gaussian(3, shape...))
		layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 1e-2, Tolerance: 1e-3})
	}
}

func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, shape := range [][]int{{2, 3, 19, 21}, {40, 33, 2}, {5, 7}} {
		layertest.CheckDevice(t, d, 1e-5, layer, layertest.Gaussian(1, shape[:2]...), layertest.Gaussian(2, shape...), layertest.Gaussian(3, shape...))
	}
}

func TestPromises(t *testing.T) {
	a, x, y := layertest.Gaussian(1, 5, 70), layertest.Gaussian(2, 5, 70, 30, 31), layertest.Gaussian(3, 5, 70, 30, 31)
	layertest.CheckThreads(t, layer, a, x, y)
	layertest.CheckAllocs(t, layer, a, x, y)
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		a, x, y []int
		want    string
	}{
		{[]int{2, 3}, []int{2, 3, 4}, []int{2, 3, 5}, "got shapes [2 3 4] and [2 3 5], want equal ones"},
		{[]int{2, 4}, []int{2, 3, 4}, []int{2, 3, 4}, "got factors of shape [2 4] for a bottom of shape [2 3 4], want one for each channel"},
		{[]int{2, 3, 2}, []int{2, 3, 4}, []int{2, 3, 4}, "got factors of shape [2 3 2] for a bottom of shape [2 3 4], want one for each channel"},
		{[]int{2}, []int{2}, []int{2}, "the bottom has shape [2], want two axes or more"},
	} {
		layertest.CheckError(t, 1, `layer "axpy": `+test.want, layer, layertest.Gaussian(1, test.a...), layertest.Gaussian(2, test.x...), layertest.Gaussian(3, test.y...))
	}
}
