package net

import (
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
)

// TestShapesOfData has a data layer whose images differ in size, one in a batch:
// the layers after it follow, on the host and on a GPU, whose passes are recorded.
func TestShapesOfData(t *testing.T) {
	text := `
	  layer { name: "d" type: "Data" top: "data" top: "label" transform_param { force_color: true scale: 0.01 }
	    data_param { source: "` + reference.Golden(t, "formats/encoded_original_lmdb") + `" batch_size: 1 backend: LMDB } }
	  layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
	  layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
	  layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
	  layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
	  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }`
	run := func(memory *Memory, d *cuda.Device) (losses, shapes []float64) {
		n := build(t, text, Options{State: state(t, "TRAIN"), Seed: 1, Device: d, Memory: memory})
		for range 12 {
			losses = append(losses, float64(forward(t, n)))
			shapes = append(shapes, float64(n.Blob("conv").Count()))
			backward(t, n)
			var sum float64
			for _, v := range n.Params()[0].Blob.Diff() {
				sum += math.Abs(float64(v))
			}
			losses = append(losses, sum)
		}
		return losses, shapes
	}
	want, shapes := run(nil, nil)
	if shapes[0] == shapes[1] || shapes[1] == shapes[2] {
		t.Fatalf("the images have the sizes %v, want them to differ", shapes)
	}
	for name, got := range map[string][]float64{
		"with shared memory": first(run(new(Memory), nil)),
		"on a GPU":           first(run(new(Memory), cudatest.Device(t))),
	} {
		for i, w := range want {
			if math.Abs(got[i]-w) > 1e-5*max(1, math.Abs(w)) {
				t.Fatalf("%s: number %d is %v, want %v", name, i, got[i], w)
			}
		}
	}
}

func first(a, _ []float64) []float64 { return a }
