package deploy

import "strings"

// caffeTypes are the layer types of BVLC Caffe 1.0.
var caffeTypes = setOf(`
	AbsVal Accuracy ArgMax BNLL BatchNorm BatchReindex Bias Clip Concat ContrastiveLoss Convolution Crop Data
	Deconvolution Dropout DummyData ELU Eltwise Embed EuclideanLoss Exp Filter Flatten HDF5Data HDF5Output HingeLoss
	Im2col ImageData InfogainLoss InnerProduct Input LRN LSTM LSTMUnit Log MVN MemoryData MultinomialLogisticLoss PReLU
	Parameter Pooling Power Python RNN ReLU Reduction Reshape SPP Scale Sigmoid SigmoidCrossEntropyLoss Silence Slice
	Softmax SoftmaxWithLoss Split Swish TanH Threshold Tile WindowData`)

func setOf(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// endings are the layers of BVLC Caffe that compare, measure or discard the
// results of a net.
var endings = map[string]ending{
	// The softmax is part of these two losses, and the sigmoid of the third.
	"SoftmaxWithLoss":         {becomes: "Softmax", labels: []int{1}, results: []int{0}},
	"InfogainLoss":            {becomes: "Softmax", labels: []int{1}, results: []int{0}},
	"SigmoidCrossEntropyLoss": {becomes: "Sigmoid", labels: []int{1}, results: []int{0}},

	"HingeLoss":               {labels: []int{1}, results: []int{0}},
	"MultinomialLogisticLoss": {labels: []int{1}, results: []int{0}},
	"EuclideanLoss":           {results: []int{0, 1}}, // either may be the prediction
	"ContrastiveLoss":         {labels: []int{2}, results: []int{0, 1}},

	"Accuracy":    {labels: []int{1}, results: []int{0}, aside: true},
	"SegAccuracy": {labels: []int{1}, results: []int{0}, aside: true}, // PSPNet's
	"Silence":     {},
	"HDF5Output":  {},
}

// An ending describes what becomes of a layer at the end of a net.
type ending struct {
	becomes string // type of the layer that stands for it; "" for none
	labels  []int  // the bottoms that are labels
	results []int  // the bottoms that the net is for
	aside   bool   // the results count only if nothing else that the net is for is made of them
}

// aPluginsLoss is the ending of a loss that BVLC Caffe does not have and that
// does not describe itself, such as a center loss beside a softmax.
var aPluginsLoss = ending{labels: []int{1}, results: []int{0}, aside: true}

// labelSecond are the data layers whose second top is a label.
var labelSecond = setOf("Data ImageData MemoryData WindowData DenseImageData ImageSegData")
