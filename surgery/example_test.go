package surgery_test

import (
	"fmt"
	"log"

	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/surgery"
)

// The weights of a fully connected layer become those of a convolution, which computes
// the same at each place of a larger image.
func ExampleFit() {
	build := func(text string) *net.Net {
		file, err := net.Parse("net.prototxt", []byte(text))
		if err != nil {
			log.Fatal(err)
		}
		n, err := net.New(file, net.Options{})
		if err != nil {
			log.Fatal(err)
		}
		return n
	}
	classifier := build(`
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 3 dim: 3 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 4 } }`)
	convolutional := build(`
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }`)
	defer classifier.Close()
	defer convolutional.Close()

	weights := classifier.ToProto(false) // or of a file, by prototxt.ReadBinaryNet
	if err := surgery.Rename(weights, "fc", "conv"); err != nil {
		log.Fatal(err)
	}
	changes, err := surgery.Fit(weights, convolutional)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range changes {
		fmt.Printf("%s, blob %d: %v -> %v\n", c.Layer, c.Blob, c.From, c.To)
	}
	if err := convolutional.CopyTrainedFrom(weights, "the classifier"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("biases:", convolutional.Layer("conv").Params[1].Data())
	// Output:
	// conv, blob 0: [4 18] -> [4 2 3 3]
	// biases: [0 0 0 0]
}
