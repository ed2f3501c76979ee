package yolo_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

const decides = "it decides on the host, box by box"

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "YoloDetectionOutput", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "YoloDetectionOutput", Check: layertest.Device, Reason: decides},
		layertest.Exception{Type: "Yolov3DetectionOutput", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "Yolov3DetectionOutput", Check: layertest.Device, Reason: decides},
		layertest.Exception{Type: "EvalDetection", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "EvalDetection", Check: layertest.Device, Reason: decides},
		layertest.Exception{Type: "RegionLoss", Check: layertest.Device, Reason: decides},
		layertest.Exception{Type: "Yolov3", Check: layertest.Device, Reason: decides},
		layertest.Exception{Type: "YoloSeg", Check: layertest.Device, Reason: "it has few pixels, and runs on the host"},
		layertest.Exception{Type: "SegmentationEvaluate", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "SegmentationEvaluate", Check: layertest.Device, Reason: "it counts on the host"},
	)
}
