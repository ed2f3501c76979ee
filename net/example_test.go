package net_test

import (
	"context"
	"fmt"

	_ "github.com/gocaffe/gocaffe/layers/all" // the layer types that nets may name
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
)

// A program loads a net, gives it input, runs it and reads a blob.
func Example() {
	file, err := prototxt.ParseNet("net.prototxt", []byte(`
		layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
		layer {
		  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
		  inner_product_param { num_output: 2 weight_filler { type: "constant" value: 0.5 } }
		}
		layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }`))
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := net.New(file, net.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	// n.LoadWeights("net.caffemodel") loads trained weights. Here weight (0,0) is set by hand.
	n.Params()[0].Blob.MutableData()[0] = 1.5

	copy(n.Blob("data").MutableData(), []float32{1, 2, 3, 0, 1, 0})
	if _, err := n.Forward(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	prob := n.Blob("prob")
	for item := range prob.Dim(0) {
		fmt.Printf("item %d: %.3f\n", item, prob.Data()[2*item:2*item+2])
	}
	// Output:
	// item 0: [0.731 0.269]
	// item 1: [0.500 0.500]
}

// A program can train without a solver: it runs forward and backward, and changes the
// weights by their gradients as it likes.
func ExampleNet_Backward() {
	file, err := net.Parse("line.prototxt", []byte(`
		force_backward: true # gradients of the inputs too
		layer { name: "in" type: "Input" top: "x" top: "y" input_param { shape { dim: 4 dim: 1 } shape { dim: 4 dim: 1 } } }
		layer { name: "line" type: "InnerProduct" bottom: "x" top: "line" inner_product_param { num_output: 1 } }
		layer { name: "loss" type: "EuclideanLoss" bottom: "line" bottom: "y" top: "loss" }`))
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := net.New(file, net.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	copy(n.Blob("x").MutableData(), []float32{-1, 0, 1, 2})
	copy(n.Blob("y").MutableData(), []float32{-5, -2, 1, 4}) // y = 3x - 2
	for range 200 {
		if _, err := n.Forward(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
		if err := n.ClearParamDiffs(); err != nil {
			fmt.Println(err)
			return
		}
		if err := n.Backward(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
		for _, p := range n.Params() {
			for i, gradient := range p.Blob.Diff() {
				p.Blob.MutableDiff()[i] = 0.3 * gradient
			}
		}
		n.Update() // weights -= gradients
	}
	line := n.Layer("line")
	fmt.Printf("y = %.2fx %+.2f\n", line.Params[0].Data()[0], line.Params[1].Data()[0])
	fmt.Printf("gradient of x: %d values\n", len(n.Blob("x").Diff()))
	// Output:
	// y = 3.00x -2.00
	// gradient of x: 4 values
}
