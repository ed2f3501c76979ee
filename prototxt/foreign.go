package prototxt

// foreignFields are fields that forks have added to Caffe's own messages and
// public files use, with what there is in their place.
var foreignFields = map[string]string{
	"DataParameter.threads":                                  noNeed,
	"DataParameter.parser_threads":                           noNeed,
	"BatchNormParameter.scale_bias":                          "a field of NVIDIA's Caffe: put a Scale layer with bias_term behind the BatchNorm",
	"PoolingParameter.ceil_mode":                             "a field of forks; this Caffe rounds up, as ceil_mode: true does",
	"TransformationParameter.resize_param":                   ssdAugments,
	"TransformationParameter.noise_param":                    ssdAugments,
	"TransformationParameter.distort_param":                  ssdAugments,
	"TransformationParameter.expand_param":                   ssdAugments,
	"TransformationParameter.emit_constraint":                ssdAugments,
	"TransformationParameter.max_rotation_angle":             forksAugment,
	"TransformationParameter.multi_scale":                    forksAugment,
	"TransformationParameter.contrast_brightness_adjustment": forksAugment,
	"TransformationParameter.smooth_filtering":               forksAugment,
	"TransformationParameter.min_side": forksAugment +
		"; `gocaffe convert imageset` scales images with --resize-height and --resize-width",
}

const (
	noNeed       = "a field of NVIDIA's Caffe, which needs nothing in its place"
	ssdAugments  = "a field of SSD's Caffe, whose augmentation is not implemented"
	forksAugment = "a field of forks with augmentation, which is not implemented"
)
