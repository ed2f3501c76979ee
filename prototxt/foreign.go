package prototxt

// foreignFields lists fields that forks added to Caffe's own messages and that public
// files use, with their replacements.
var foreignFields = map[string]string{
	"DataParameter.threads":         noNeed,
	"DataParameter.parser_threads":  noNeed,
	"BatchNormParameter.scale_bias": "a field of NVIDIA's Caffe: put a Scale layer with bias_term after the BatchNorm",
	"PoolingParameter.ceil_mode":    "a field of forks; this Caffe rounds up, as ceil_mode: true does",
	"TransformationParameter.resize_param": ssdAugments +
		"; min_side, and new_height and new_width of ImageData, scale images, and so does `gocaffe convert imageset`",
	"TransformationParameter.noise_param":      ssdAugments,
	"TransformationParameter.expand_param":     ssdAugments,
	"TransformationParameter.emit_constraint":  ssdAugments,
	"TransformationParameter.multi_scale":      forksAugment,
	"TransformationParameter.smooth_filtering": forksAugment,
}

const (
	noNeed       = "a field of NVIDIA's Caffe, which needs nothing in its place"
	ssdAugments  = "a field of SSD's Caffe, which is not implemented: docs/data.md lists the augmentation that is"
	forksAugment = "a field of forks with augmentation, which is not implemented: docs/data.md lists the augmentation that is"
)
