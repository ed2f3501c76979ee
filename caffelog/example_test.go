package caffelog_test

import (
	"fmt"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/event"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
)

// A program that builds a net writes Caffe's log of it, without the description
// of the net.
func Example() {
	file, err := prototxt.ParseNet("net.prototxt", []byte(`
		name: "tiny"
		layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
		layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 4 } }
		layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }`))
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := net.New(file, net.Options{Observer: caffelog.New(func(level event.Level, source, text string) {
		if source != "net.cpp:53" {
			fmt.Printf("%c %s] %s\n", level, source, text)
		}
	})})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	// Output:
	// I layer_factory.hpp:77] Creating layer in
	// I net.cpp:86] Creating Layer in
	// I net.cpp:382] in -> x
	// I net.cpp:124] Setting up in
	// I net.cpp:131] Top shape: 2 3 (6)
	// I net.cpp:139] Memory required for data: 24
	// I layer_factory.hpp:77] Creating layer ip
	// I net.cpp:86] Creating Layer ip
	// I net.cpp:408] ip <- x
	// I net.cpp:382] ip -> y
	// I net.cpp:124] Setting up ip
	// I net.cpp:131] Top shape: 2 4 (8)
	// I net.cpp:139] Memory required for data: 56
	// I layer_factory.hpp:77] Creating layer relu
	// I net.cpp:86] Creating Layer relu
	// I net.cpp:408] relu <- y
	// I net.cpp:369] relu -> y (in-place)
	// I net.cpp:124] Setting up relu
	// I net.cpp:131] Top shape: 2 4 (8)
	// I net.cpp:139] Memory required for data: 88
	// I net.cpp:202] relu does not need backward computation.
	// I net.cpp:202] ip does not need backward computation.
	// I net.cpp:202] in does not need backward computation.
	// I net.cpp:244] This network produces output y
	// I net.cpp:257] Network initialization done.
}
