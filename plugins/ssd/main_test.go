package ssd_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

const decides = "it decides on the host, box by box"

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "AnnotatedData", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		layertest.Exception{Type: "PriorBox", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "DetectionOutput", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "DetectionOutput", Check: layertest.Device, Reason: decides},
		layertest.Exception{Type: "DetectionEvaluate", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "DetectionEvaluate", Check: layertest.Device, Reason: decides},
		layertest.Exception{Type: "MultiBoxLoss", Check: layertest.Device, Reason: decides},
	)
}
