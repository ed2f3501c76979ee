package datalayer

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "Data", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		layertest.Exception{Type: "DummyData", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		layertest.Exception{Type: "ImageData", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		layertest.Exception{Type: "Input", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		layertest.Exception{Type: "MemoryData", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		layertest.Exception{Type: "WindowData", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		layertest.Exception{Type: "Input", Check: layertest.Reference, Reason: "its passes do nothing: the program fills the tops"},
		layertest.Exception{Type: "Input", Check: layertest.Device, Reason: "its passes do nothing: the program fills the tops"},
		layertest.Exception{Type: "DummyData", Check: layertest.Device, Reason: "it fills its tops on the host"},
		layertest.Exception{Type: "MemoryData", Check: layertest.Device, Reason: "it fills its tops on the host"},
	)
}
