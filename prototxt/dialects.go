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
		// Precisions, sizes of cuDNN's and of what GPUs exchange, and a factor that the
		// solver takes out of the gradients again.
		Harmless: `
			enum Type { DOUBLE = 0; FLOAT = 1; FLOAT16 = 2; INT = 3; UINT = 4; BOOL = 5; }
			message NetParameter {
				optional Type default_forward_type = 1; optional Type default_backward_type = 2;
				optional Type default_forward_math = 3; optional Type default_backward_math = 4;
				optional float global_grad_scale = 5; optional bool global_grad_scale_adaptive = 6;
				optional string default_conv_algos_override = 7; optional int32 reduce_buckets = 8;
				optional int32 default_cudnn_math_override = 9; optional bool eltwise_mem_sharing = 10;
			}
			message LayerParameter {
				optional Type forward_type = 1; optional Type backward_type = 2;
				optional Type forward_math = 3; optional Type backward_math = 4;
				optional bool debug = 5; optional int32 cudnn_math_override = 6;
			}
			message ConvolutionParameter { optional string conv_algos_override = 1; optional uint32 cudnn_convolution_algo_seeker = 2; }
			message DataParameter { optional uint32 threads = 1; optional uint32 parser_threads = 2; }
			message ImageDataParameter { optional uint32 threads = 1; optional bool cache = 2; optional bool precache = 3; }
			message SolverParameter { optional Type solver_data_type = 1; optional bool store_blobs_in_old_format = 2; }`,
	},
	{
		Name:     "intel",
		Whose:    "Intel's Caffe (intel/caffe)",
		Includes: []string{"ssd", "rfcn"},
		Types:    []string{"EvalDetection", "MnActivation", "RegionLoss", "Reorg"},
		// Which library computes, and what several machines exchange. The engine MKLDNN
		// computes layers with a quantization_param in integers, in phase TEST; all others,
		// and gocaffe, compute them with numbers of 32 bits. A filler of BatchNorm is one of
		// the scale that MKLDNN makes of the Scale layer which follows.
		Harmless: `
			message NetParameter { optional string engine = 1; optional MultinodeParameter multinode = 2; }
			message MultinodeParameter { repeated MnModelParallelParameter model_parallel = 1; optional MnLayerTypes compress_layer_type_list = 2; }
			message MnModelParallelParameter {
				optional string layer_from = 1; optional string layer_to = 2; optional uint32 num_nodes = 3; optional uint32 model_parts = 4;
			}
			message MnLayerTypes { repeated string layer_type = 1; }
			message LayerParameter { optional string engine = 1; optional QuantizationParameter quantization_param = 2; }
			message QuantizationParameter {
				enum Precision { DYNAMIC_FIXED_POINT = 0; }
				enum Rounding { NEAREST = 0; }
				optional Precision precision = 1; optional Rounding rounding_scheme = 2;
				optional uint32 bw_layer_in = 3; optional uint32 bw_layer_out = 4; optional uint32 bw_params = 5;
				repeated int32 fl_layer_in = 6; repeated int32 fl_layer_out = 7; repeated int32 fl_params = 8;
				repeated float scale_in = 9; repeated float scale_out = 10; repeated float scale_params = 11;
				optional bool is_negative_input = 12; optional bool force_u8_input = 13;
			}
			message SolverParameter { optional string engine = 1; }
			message BatchNormParameter { optional Engine engine = 1; optional FillerParameter filler = 2; }
			message ConcatParameter { optional Engine engine = 1; }
			message EltwiseParameter { optional Engine engine = 1; }
			message InnerProductParameter { optional Engine engine = 1; }
			enum Engine { DEFAULT = 0; CAFFE = 1; CUDNN = 2; MKL2017 = 3; MKLDNN = 4; }
			message ConvolutionParameter { optional string conv_algorithm = 1; enum Engine { MKL2017 = 3; MKLDNN = 4; } }
			message LRNParameter { enum Engine { MKL2017 = 3; MKLDNN = 4; } }
			message PoolingParameter { enum Engine { MKL2017 = 3; MKLDNN = 4; } }
			message ReLUParameter { enum Engine { MKL2017 = 3; MKLDNN = 4; } }
			message SoftmaxParameter { enum Engine { MKL2017 = 3; MKLDNN = 4; } }`,
		Advice: map[string]string{
			"LayerParameter.quantization_param": "the layer computes in float32, as with all of its engines but MKLDNN",
			"ConcatParameter.per_fla_fuse":      "Permute, Flatten and Concat in one layer are not implemented: write them as layers",
		},
	},
	{
		Name:     "yolo",
		Whose:    "MobileNet-YOLO (eric612/MobileNet-YOLO)",
		Includes: []string{"ssd", "mobile"},
		Types: []string{"AssistedExcitation", "LaneData", "RegionLoss", "Reorg", "ReLU6", "SegmentationEvaluate", "Upsample",
			"YoloDetectionOutput", "YoloSeg", "Yolov3", "Yolov3DetectionOutput", "Mish"},
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
		Types: []string{"BboxAccuracy", "BoxGroupOutput", "BoxOutput", "DecodeBBox", "DetectionAccuracy", "DetectionData",
			"DetectionGroupAccuracy", "DetectionGroupLoss", "DetectionLoss", "EvalData", "FrcnnOutput", "HardMining", "ImageGtData",
			"ProposalTarget", "ROIAlign", "ScaleRoute"},
	},
	{
		Name:  "ctpn",
		Whose: "CTPN (tianzhi0549/CTPN)",
		Types: []string{"Lstm", "Reverse", "Transpose"},
	},
	{
		Name:  "warpctc",
		Whose: "WarpCTC (xmfbit/warpctc-caffe, yalecyu/crnn.caffe)",
		Types: []string{"ContinuationIndicator", "CtcLoss"},
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
		Types: []string{"Convolution3D", "Deconvolution3D", "Pooling3D", "VideoData", "VideoSegmentationData",
			"VideoWithVoxelTruthData", "VoxelCustomLoss", "VoxelWiseSoftmax", "VoxelWiseSoftmaxWithLoss"},
		V1Types: map[string]string{
			"CONVOLUTION3D": "Convolution3D", "DECONVOLUTION3D": "Deconvolution3D", "POOLING3D": "Pooling3D",
			"VIDEO_DATA": "VideoData", "VIDEO_SEGMENTATION_DATA": "VideoSegmentationData",
			"VIDEO_WITH_VOXEL_TRUTH_DATA": "VideoWithVoxelTruthData", "VOXEL_CUSTOM_LOSS": "VoxelCustomLoss",
			"VOXEL_SOFTMAX": "VoxelWiseSoftmax", "VOXEL_SOFTMAX_LOSS": "VoxelWiseSoftmaxWithLoss",
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
		Fields: []string{"inner_product_param.normalize", "scale_param.min_value", "scale_param.max_value",
			"softmax_param.normalize_type"},
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
