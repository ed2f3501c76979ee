package common_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestDevice compares the passes on a GPU with those on the host, in sizes beyond
// those of the golden cases.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, text := range []string{
		`type: "InnerProduct" inner_product_param { num_output: 70 weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.1 } }`,
		`type: "InnerProduct" inner_product_param { num_output: 5 transpose: true bias_term: false weight_filler { type: "xavier" } }`,
		`type: "InnerProduct" inner_product_param { num_output: 7 normalize: true weight_filler { type: "xavier" } }`,
		`type: "BatchNorm"`,
		`type: "BatchNorm" phase: TEST`,
		`type: "BatchNorm" batch_norm_param { stats_batch_size: 10 }`,
		`type: "Scale" scale_param { bias_term: true filler { type: "gaussian" } }`,
		`type: "Scale" scale_param { axis: 0 num_axes: -1 filler { type: "gaussian" } }`,
		`type: "Bias" bias_param { filler { type: "gaussian" } }`,
		`type: "Bias" bias_param { axis: 0 num_axes: 0 filler { type: "constant" value: 2 } }`,
		`type: "Dropout" dropout_param { dropout_ratio: 0.3 }`,
		`type: "Dropout" phase: TEST`,
		`type: "Dropout" dropout_param { dropout_ratio: 0.3 scale_train: false }`,
		`type: "Dropout" phase: TEST dropout_param { dropout_ratio: 0.3 scale_train: false }`,
		`type: "Dropout" phase: TEST dropout_param { sample_weights_test: true }`,
		`type: "MVN"`,
		`type: "MVN" mvn_param { across_channels: true eps: 0.1 }`,
		`type: "MVN" mvn_param { normalize_variance: false }`,
	} {
		for _, shape := range [][]int{{40, 18, 5, 5}, {130, 33}} {
			layertest.CheckDevice(t, d, 1e-5, `layer { bottom: "x" top: "y" `+text+` }`, layertest.Gaussian(1, shape...))
			if text[7] != 'I' {
				layertest.CheckDevice(t, d, 1e-5, `layer { bottom: "x" top: "x" `+text+` }`, layertest.Gaussian(1, shape...))
			}
		}
	}
	layertest.CheckDevice(t, d, 1e-5, `layer { bottom: "x" bottom: "a" top: "y" type: "Scale" scale_param { axis: 1 } }`,
		layertest.Gaussian(1, 6, 5, 4), layertest.Gaussian(2, 5))
	layertest.CheckDevice(t, d, 1e-5, `layer { bottom: "x" bottom: "b" top: "y" type: "Bias" bias_param { axis: 0 } }`,
		layertest.Gaussian(1, 6, 5, 4), layertest.Gaussian(2, 6, 5))
	layertest.CheckDevice(t, d, 1e-5, `layer { bottom: "x" top: "y" type: "Embed" embed_param { num_output: 70 input_dim: 90 weight_filler { type: "gaussian" } bias_filler { type: "gaussian" } } }`,
		layertest.Uniform(1, 0, 90, 20, 15))
	layertest.CheckDevice(t, d, 0, `layer { top: "w" type: "Parameter" parameter_param { shape { dim: 3 dim: 5 } blob_filler { type: "gaussian" } } }`)
	layertest.CheckDevice(t, d, 1e-5, `layer { bottom: "x" bottom: "w" top: "y" type: "InnerProduct" }`,
		layertest.Gaussian(1, 6, 20), layertest.Gaussian(2, 30, 20))
}
