package normface_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "GeneralTripletLoss", Check: layertest.Gradient, Reason: "its gradient is the fork's, which is not the derivative"},
	)
}
