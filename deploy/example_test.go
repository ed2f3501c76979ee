package deploy_test

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/deploy"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
)

// The net that was trained becomes one for inference: an input in place of the
// data, and probabilities in place of the loss.
func Example() {
	file, err := prototxt.ParseNet("train_val.prototxt", []byte(`
		name: "tiny"
		layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "train_lmdb" backend: LMDB batch_size: 64 } transform_param { scale: 0.00390625 } }
		layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
		layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }`))
	if err != nil {
		fmt.Println(err)
		return
	}
	shape := []int{1, 28, 28}
	trained, err := net.New(file, net.Options{Synthetic: &net.Synthetic{Shape: shape}}) // instead of training
	if err != nil {
		fmt.Println(err)
		return
	}
	defer trained.Close()

	deployed, err := deploy.New(context.Background(), file, trained.ToProto(false), "weights", deploy.Options{Shape: shape})
	if err != nil {
		fmt.Println(err)
		return
	}
	in := deployed.Inputs[0]
	fmt.Println("input", in.Name, in.Shape, in.Preparation)
	fmt.Println("outputs", deployed.Outputs)
	for _, l := range deployed.Param.Layer {
		fmt.Println(l.GetName(), l.GetType())
	}
	// Output:
	// input data [1 1 28 28] multiply by 0.00390625
	// outputs [prob]
	// data Input
	// ip InnerProduct
	// prob Softmax
}
