package net

import (
	"fmt"
	"runtime"
	"testing"
)

// A net that is built and planned, and never runs, takes memory in proportion to
// its file: neither weights nor blobs nor what a layer keeps for its passes.
func TestCheckedNetTakesNoMemory(t *testing.T) {
	for _, layer := range []string{
		`"InnerProduct" inner_product_param { num_output: 20 weight_filler { type: "xavier" } }`,
		`"Convolution" convolution_param { num_output: 30 kernel_size: 3 pad: 1000 weight_filler { type: "msra" } }`,
		`"Convolution" convolution_param { num_output: 30 kernel_size: 7 stride: 2 }`,
		`"Convolution" convolution_param { num_output: 3 kernel_size: 5 group: 3 engine: CAFFE }`,
		`"LRN"`, `"LRN" lrn_param { norm_region: WITHIN_CHANNEL }`, `"Dropout"`, `"BatchNorm"`, `"Scale"`, `"Bias"`, `"PReLU"`, `"ReLU"`,
		`"Softmax"`, `"Power"`, `"Sigmoid"`, `"TanH"`, `"Flatten"`, `"ArgMax"`, `"Slice"`, `"Concat"`,
		`"Pooling" pooling_param { pool: AVE kernel_size: 3 }`,
		`"Eltwise" bottom: "x" eltwise_param { operation: MAX }`,
		`"EuclideanLoss" bottom: "x"`,
	} {
		text := fmt.Sprintf(`layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 4000 dim: 4000 } } }
			layer { name: "l" type: %s bottom: "x" top: "y" }`, layer)
		for _, phase := range []string{"TRAIN", "TEST"} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			n := build(t, text, Options{State: state(t, phase), Memory: new(Memory)})
			_ = n.Plan().String()
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
				t.Errorf("%s, phase %s: %d KiB allocated, want at most 4096", layer, phase, got>>10)
			}
		}
	}
}
