package prototxt

// The dialects of public forks. What one adds to Caffe is a fact of its
// caffe.proto; the names are those of the repositories' people.
func init() {
	for _, d := range forks {
		if err := AddDialect(d); err != nil {
			panic(err)
		}
	}
}

var forks = []Dialect{
	{
		Name:  "rcnn",
		Whose: "Fast and Faster R-CNN (rbgirshick/caffe-fast-rcnn)",
		Types: []string{"ROIPooling", "SmoothL1Loss", "Proposal"},
	},
	{
		Name:     "rfcn",
		Whose:    "R-FCN (daijifeng001/caffe-rfcn)",
		Includes: []string{"rcnn"},
		Types:    []string{"PSROIPooling", "SmoothL1LossOHEM", "SoftmaxWithLossOHEM", "BoxAnnotatorOHEM"},
	},
	{
		Name:  "ssd",
		Whose: "SSD (weiliu89/caffe)",
		Types: []string{"AnnotatedData", "DetectionEvaluate", "DetectionOutput", "MultiBoxLoss", "Normalize", "Permute", "PriorBox",
			"SmoothL1Loss", "VideoData"},
		Advice: map[string]string{
			"TransformationParameter.resize_param": notAugmented +
				"; min_side, and new_height and new_width of ImageData, scale images, and so does `gocaffe convert imageset`",
			"TransformationParameter.noise_param":     notAugmented,
			"TransformationParameter.expand_param":    notAugmented,
			"TransformationParameter.emit_constraint": notAugmented,
		},
	},
	{
		Name:  "segnet",
		Whose: "SegNet (alexgkendall/caffe-segnet)",
		Types: []string{"BN", "DenseImageData", "Upsample"},
		V1Types: map[string]string{
			"BN": "BN", "DENSE_IMAGE_DATA": "DenseImageData", "UPSAMPLE": "Upsample",
		},
	},
	{
		Name:     "enet",
		Whose:    "ENet (TimoSaemann/ENet)",
		Includes: []string{"segnet"},
		Types:    []string{"SpatialDropout"},
	},
	{
		Name:  "pspnet",
		Whose: "PSPNet (hszhao/PSPNet)",
		Types: []string{"BN", "ImageSegData", "Interp", "SegAccuracy"},
	},
	{
		Name:  "nvcaffe",
		Whose: "NVIDIA's Caffe (NVIDIA/caffe)",
		Types: []string{"DetectNetTransformation", "L1Loss"},
		Harmless: `
			message NetParameter {
				optional string default_forward_type = 1; optional string default_backward_type = 2;
				optional string default_forward_math = 3; optional string default_backward_math = 4;
			}
			message DataParameter { optional uint32 threads = 1; optional uint32 parser_threads = 2; }`,
		Advice: map[string]string{
			"BatchNormParameter.scale_bias": "put a Scale layer with bias_term after the BatchNorm",
		},
	},
	{
		Name:     "intel",
		Whose:    "Intel's Caffe (intel/caffe)",
		Includes: []string{"ssd", "rfcn"},
		Types:    []string{"MnActivation", "RegionLoss", "Reorg"},
	},
	{
		Name:     "yolo",
		Whose:    "MobileNet-YOLO (eric612/MobileNet-YOLO)",
		Includes: []string{"ssd", "mobile"},
		Types: []string{"RegionLoss", "Reorg", "ReLU6", "Upsample", "YoloDetectionOutput", "Yolov3",
			"Yolov3DetectionOutput", "Mish"},
	},
	{
		Name:  "mobile",
		Whose: "MobileNet and ShuffleNet (farmingyard/ShuffleNet, yonghenglh6/DepthwiseConvolution, sophgo/caffe)",
		Types: []string{"ConvolutionDepthwise", "DepthwiseConvolution", "HSwish", "Mish", "ReLU6", "ShuffleChannel"},
	},
	{
		Name:  "senet",
		Whose: "SENet (hujie-frank/SENet)",
		Types: []string{"Axpy"},
	},
	{
		Name:     "cascade",
		Whose:    "MS-CNN and Cascade R-CNN (zhaoweicai/mscnn, zhaoweicai/cascade-rcnn)",
		Includes: []string{"rfcn"},
		Types: []string{"BboxAccuracy", "BoxGroupOutput", "BoxOutput", "DecodeBBox", "DetectionAccuracy", "DetectionLoss", "ImageGtData",
			"ProposalTarget", "ROIAlign"},
	},
	{
		Name:  "ctpn",
		Whose: "CTPN and CRNN (tianzhi0549/CTPN, yalecyu/crnn.caffe)",
		Types: []string{"Lstm", "Reverse", "Transpose"},
	},
	{
		Name:  "warpctc",
		Whose: "WarpCTC (xmfbit/warpctc-caffe)",
		Types: []string{"CtcLoss"},
	},
	{
		Name:  "ctc",
		Whose: "CTC (BVLC/caffe, pull request 4681)",
		Types: []string{"CTCGreedyDecoder", "CTCLoss"},
	},
	{
		Name:  "flownet",
		Whose: "FlowNet (lmb-freiburg/flownet2)",
		Types: []string{"Correlation"},
	},
	{
		Name:  "c3d",
		Whose: "C3D (facebook/C3D)",
		Types: []string{"VideoData"},
		V1Types: map[string]string{
			"CONVOLUTION3D": "Convolution", "POOLING3D": "Pooling", "VIDEO_DATA": "VideoData",
		},
	},
	{
		Name:  "video",
		Whose: "temporal segment networks (yjxiong/caffe)",
		Types: []string{"BN", "VideoData"},
	},
	{
		Name:  "lsoftmax",
		Whose: "L-Softmax (wy1iu/LargeMargin_Softmax_Loss)",
		Types: []string{"BN", "LargeMarginInnerProduct"},
	},
	{
		Name:  "sphereface",
		Whose: "SphereFace (wy1iu/sphereface)",
		Types: []string{"MarginInnerProduct"},
	},
	{
		Name:  "centerface",
		Whose: "center loss (ydwen/caffe-face)",
		Types: []string{"CenterLoss"},
	},
	{
		Name:  "normface",
		Whose: "NormFace (happynear/caffe-windows)",
		Types: []string{"Flip", "GeneralContrastiveLoss", "GeneralTripletLoss", "InnerDistance", "LabelSpecificAdd", "LabelSpecificRescale",
			"Normalize"},
	},
	{
		Name:     "amsoftmax",
		Whose:    "AM-Softmax (happynear/AMSoftmax)",
		Includes: []string{"normface"},
		Types:    []string{"ChannelScale"},
	},
	{
		Name:  "augmentation",
		Whose: "forks with more augmentation (kevinlin311tw/caffe-augmentation and others)",
		Advice: map[string]string{
			"TransformationParameter.multi_scale":      notAugmented,
			"TransformationParameter.smooth_filtering": notAugmented,
		},
	},
}

const notAugmented = "it is not implemented; docs/data.md lists the augmentation that is"
