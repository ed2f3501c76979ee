package all

import (
	"context"
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
)

// TestInference has the batch normalizations of forks after a convolution, which computes
// them in a net for inference if their statistics are not those of the batch.
func TestInference(t *testing.T) {
	for _, test := range []struct {
		dialect, layer string
		fused          bool
	}{
		{"lsoftmax", "type: 'BN' bn_param { slope_filler { type: 'gaussian' mean: 1 std: 1 } bias_filler { type: 'gaussian' std: 1 } }", true},
		{"pspnet", "type: 'BN' bn_param { slope_filler { type: 'gaussian' mean: 1 std: 1 } bias_filler { type: 'gaussian' std: 1 } }", true},
		{"segnet", "type: 'BN' bn_param { bn_mode: INFERENCE scale_filler { type: 'gaussian' mean: 1 std: 1 } shift_filler { type: 'gaussian' std: 1 } }", true},
		{"segnet", "type: 'BN' bn_param { bn_mode: LEARN scale_filler { type: 'gaussian' mean: 1 std: 1 } shift_filler { type: 'gaussian' std: 1 } }", false},
		{"nvcaffe", "type: 'BatchNorm' batch_norm_param { scale_bias: true scale_filler { type: 'gaussian' mean: 1 std: 1 } bias_filler { type: 'gaussian' std: 1 } }", true},
		{"nvcaffe", "type: 'BatchNorm' batch_norm_param { scale_bias: false }", true},
	} {
		t.Run(test.dialect+" "+test.layer, func(t *testing.T) {
			text := `
layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }
layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c' convolution_param { num_output: 18 kernel_size: 3 weight_filler { type: 'msra' } } }
layer { name: 'bn' bottom: 'c' top: 'b' ` + test.layer + ` }
layer { name: 'relu' type: 'ReLU' bottom: 'b' top: 'b' }`
			file, err := prototxt.ParseNetIn(test.dialect, "net.prototxt", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var outputs [2][]float32
			for i, inference := range []bool{false, true} {
				n, err := net.New(file, net.Options{Seed: 3, Inference: inference})
				if err != nil {
					t.Fatal(err)
				}
				for k, p := range n.AllParams() {
					for j := range p.Blob.MutableData() {
						p.Blob.MutableData()[j] += float32(1+(j+k)%5) / 4 // statistics that are neither 0 nor 1
					}
				}
				for j := range n.Blob("data").MutableData() {
					n.Blob("data").MutableData()[j] = float32(j*37%101)/50 - 1
				}
				if _, err := n.Forward(context.Background()); err != nil {
					t.Fatal(err)
				}
				if fused := n.Layer("bn").FusedInto != nil; fused != (inference && test.fused) {
					t.Errorf("inference %v: the convolution computes the layer: %v", inference, fused)
				}
				outputs[i] = n.Blob("b").Data()
			}
			zeros, size := 0, 0.0
			for _, want := range outputs[0] {
				size = max(size, math.Abs(float64(want)))
				if want == 0 {
					zeros++
				}
			}
			if zeros == 0 || zeros == len(outputs[0]) {
				t.Fatalf("%d of %d outputs are 0", zeros, len(outputs[0]))
			}
			for j, want := range outputs[0] {
				if got := outputs[1][j]; !(math.Abs(float64(got-want)) <= 1e-6*size) {
					t.Fatalf("output %d is %g, want %g, the largest is %g", j, got, want, size)
				}
			}
		})
	}
}
