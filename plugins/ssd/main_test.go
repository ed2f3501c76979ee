package ssd_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "PriorBox", Check: layertest.Gradient, Reason: "it has no gradient"},
	)
}
