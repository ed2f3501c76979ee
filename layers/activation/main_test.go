package activation_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "Threshold", Check: layertest.Gradient, Reason: "it has no backward pass"},
	)
}
