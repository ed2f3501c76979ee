package deploy

import (
	"strings"
	"testing"
)

// TestWeightsOfNormFace checks that an InnerProduct that normalizes its
// weights is deployed with weights of length 1.
func TestWeightsOfNormFace(t *testing.T) {
	n, err := deployed(t, inputs+strings.Replace(ip, "num_output: 5", "num_output: 5 normalize: true", 1)+softmaxLoss, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, v := range n.Weights.Layer[1].Blobs[0].Data[:6] {
		sum += float64(v) * float64(v)
	}
	if sum < 0.9999 || sum > 1.0001 {
		t.Errorf("the first row has the squared length %g, want 1", sum)
	}
	stock(t, n.Param)
}

// TestFieldsOfNormFace checks that a Parameter keeps its weights, that the
// factors of a Scale with limits are brought into them, and that the fork's
// fields leave.
func TestFieldsOfNormFace(t *testing.T) {
	n, err := deployed(t, inputs+ip+`
layer { name: "w" type: "Parameter" top: "w" parameter_param { shape { dim: 5 } blob_filler { type: "gaussian_unitball" } } }
layer { name: "add" type: "Bias" bottom: "ip" bottom: "w" top: "add" }
layer { name: "low" type: "Scale" bottom: "add" top: "low" scale_param { min_value: 2 } }
layer { name: "high" type: "Scale" bottom: "low" top: "high" scale_param { max_value: 0.5 filler { type: "constant" value: 3 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "high" bottom: "label" top: "loss" softmax_param { normalize_type: "Softmax" } }`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "data Input  > data\nip InnerProduct data > ip\nw Parameter  > w\nadd Bias ip,w > add\nlow Scale add > low\nhigh Scale low > high\nprob Softmax high > prob"
	if got := wiring(n.Param); got != want {
		t.Fatalf("the deployed net is\n%s\nwant\n%s", got, want)
	}
	for i, want := range map[int]float32{4: 2, 5: 0.5} {
		if got := n.Weights.Layer[i].Blobs[0].Data[0]; got != want {
			t.Errorf("the factor of layer %s is %g, want %g", n.Weights.Layer[i].GetName(), got, want)
		}
	}
	stock(t, n.Param)
	stock(t, n.Weights)
}
