package prototxt

import "testing"

func TestLint(t *testing.T) {
	n, err := ParseNet("f", []byte(`layer { name: "data" type: "Data" top: "x" data_param { batch_size: 1 } transform_param { scale: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 1 } convolution_param { num_output: 1 }
}
layer { name: "bn1" type: "BatchNorm" bottom: "ip" top: "bn1" }
layer { name: "s1" type: "Scale" bottom: "bn1" top: "s1" }
layer { name: "bn2" type: "BatchNorm" bottom: "s1" top: "bn2" }
layer { name: "prob" type: "Softmax" bottom: "bn2" top: "prob" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "prob" bottom: "y" top: "loss" softmax_param { axis: 1 } loss_param { ignore_label: 1 } }
layer { name: "loss2" type: "SoftmaxWithLoss" bottom: "bn2" bottom: "y" top: "loss2" }
layer { name: "loss3" type: "SoftmaxWithLoss" }
`))
	if err != nil {
		t.Fatal(err)
	}
	want := `f:3:41: layer "ip": convolution_param has no effect on a layer of type InnerProduct
f:7:27: layer "bn2": BatchNorm has no learned scale and shift, and no Scale layer follows
f:9:54: layer "loss": "prob" went through Softmax in layer "prob" already, and SoftmaxWithLoss does it again`
	if got := Lint(n).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
