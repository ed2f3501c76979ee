package layers

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gocaffe/gocaffe/prototxt"
)

// foreign lists the layer types that public nets use and no package of this
// repository provides, and whose they are. A type that a plugin registers is
// found before this list is asked.
var foreign = map[string]string{
	"AnnotatedData":         "SSD (weiliu89/caffe)",
	"Axpy":                  "SENet (hujie-frank/SENet)",
	"BboxAccuracy":          "Cascade R-CNN (zhaoweicai/cascade-rcnn)",
	"BoxAnnotatorOHEM":      "R-FCN (daijifeng001/caffe-rfcn)",
	"BoxGroupOutput":        "Cascade R-CNN (zhaoweicai/cascade-rcnn)",
	"BoxOutput":             "MS-CNN (zhaoweicai/mscnn)",
	"ChannelScale":          "AM-Softmax (happynear/AMSoftmax)",
	"ConvolutionDepthwise":  "MobileNet",
	"Correlation":           "FlowNet (lmb-freiburg/flownet2)",
	"CtcLoss":               "xmfbit/warpctc-caffe",
	"DecodeBBox":            "Cascade R-CNN (zhaoweicai/cascade-rcnn)",
	"DenseImageData":        "SegNet (alexgkendall/caffe-segnet)",
	"DepthwiseConvolution":  "MobileNet",
	"DetectionAccuracy":     "MS-CNN (zhaoweicai/mscnn)",
	"DetectionEvaluate":     "SSD (weiliu89/caffe)",
	"DetectionLoss":         "MS-CNN (zhaoweicai/mscnn)",
	"DetectionOutput":       "SSD (weiliu89/caffe)",
	"HSwish":                "MobileNet V3",
	"ImageGtData":           "MS-CNN (zhaoweicai/mscnn)",
	"ImageSegData":          "PSPNet and DeepLab",
	"Interp":                "PSPNet (hszhao/PSPNet)",
	"L1Loss":                "NVIDIA's Caffe (DetectNet)",
	"Lstm":                  "CTPN (tianzhi0549/CTPN)",
	"Mish":                  "MobileNet-YOLO (eric612/MobileNet-YOLO)",
	"MultiBoxLoss":          "SSD (weiliu89/caffe)",
	"PSROIPooling":          "R-FCN (daijifeng001/caffe-rfcn)",
	"Permute":               "SSD (weiliu89/caffe)",
	"PriorBox":              "SSD (weiliu89/caffe)",
	"Proposal":              "Faster R-CNN",
	"ProposalTarget":        "Cascade R-CNN (zhaoweicai/cascade-rcnn)",
	"ROIAlign":              "Mask R-CNN and Cascade R-CNN",
	"ROIPooling":            "Fast R-CNN (rbgirshick/caffe-fast-rcnn)",
	"ReLU6":                 "MobileNet",
	"RegionLoss":            "YOLO (eric612/MobileNet-YOLO)",
	"Reorg":                 "YOLO (eric612/MobileNet-YOLO)",
	"Reverse":               "CTPN (tianzhi0549/CTPN)",
	"SegAccuracy":           "PSPNet and DeepLab",
	"ShuffleChannel":        "ShuffleNet (farmingyard/ShuffleNet)",
	"SmoothL1Loss":          "Fast R-CNN and SSD",
	"SmoothL1LossOHEM":      "R-FCN (daijifeng001/caffe-rfcn)",
	"SoftmaxWithLossOHEM":   "R-FCN (daijifeng001/caffe-rfcn)",
	"Transpose":             "CRNN (yalecyu/crnn.caffe)",
	"Upsample":              "SegNet (alexgkendall/caffe-segnet) and YOLO",
	"VideoData":             "yjxiong/caffe",
	"YoloDetectionOutput":   "YOLO (eric612/MobileNet-YOLO)",
	"Yolov3":                "YOLO (eric612/MobileNet-YOLO)",
	"Yolov3DetectionOutput": "YOLO (eric612/MobileNet-YOLO)",
	"HDF5Data":              caffesOwn,
	"HDF5Output":            caffesOwn,
	"Python":                caffesOwn,
}

// caffesOwn marks the types of BVLC Caffe.
const caffesOwn = ""

// UnknownType returns the error for a type that Lookup does not know. It names
// the owner of a type that public nets use, and otherwise the nearest known type.
func UnknownType(typ string) error {
	if typ == "" {
		return errors.New("has no type")
	}
	what := fmt.Sprintf("gocaffe has no layer type %q", typ)
	if Lookup("Split") == nil { // which every net may need
		return errors.New(what + `: this program links none of Caffe's layers, import _ "github.com/gocaffe/gocaffe/layers/all"`)
	}
	if _, ok := foreign[typ]; ok {
		return fmt.Errorf("%s (%s is not implemented yet; `gocaffe layers` lists what is)", what, foreignName(typ))
	}
	known := slices.Concat(Types(), slices.Sorted(maps.Keys(foreign)))
	switch nearest := prototxt.Nearest(typ, known); {
	case nearest == "":
		return errors.New(what + " (`gocaffe layers` lists those it has, `gocaffe build --with MODULE` adds a plugin's)")
	case Lookup(nearest) != nil:
		return fmt.Errorf("%s, did you mean %q?", what, nearest)
	default:
		return fmt.Errorf("%s, did you mean %q? (%s is not implemented yet)", what, nearest, foreignName(nearest))
	}
}

// foreignName returns a foreign type with its owner: "Caffe's ELU", "PriorBox
// of SSD".
func foreignName(typ string) string {
	if whose := foreign[typ]; whose != caffesOwn {
		return typ + " of " + whose
	}
	return "Caffe's " + typ
}
