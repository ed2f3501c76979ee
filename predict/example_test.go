package predict_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gocaffe/gocaffe/data"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/predict"
)

// A net whose scores are the mean brightness of blue, green and red says which colour an
// image has. Real nets are read by net.Read, and get weights by Net.LoadWeights.
func ExamplePredictor_Predict() {
	file, err := net.Parse("colours.prototxt", []byte(`
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 2 dim: 2 } } }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean" pooling_param { pool: AVE global_pooling: true } }
layer { name: "prob" type: "Softmax" bottom: "mean" top: "prob" }`))
	if err != nil {
		log.Fatal(err)
	}
	n, err := net.New(file, net.Options{ForwardOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	p, err := predict.New(n, predict.Options{Preparation: &predict.Preparation{Scale: 1. / 64}})
	if err != nil {
		log.Fatal(err)
	}
	// predict.ReadImage reads files; this is an orange image of one pixel.
	orange := &data.Image{Channels: 3, Height: 1, Width: 1, Pix: []byte{0, 128, 255}}
	scores, err := p.Predict(context.Background(), orange)
	if err != nil {
		log.Fatal(err)
	}
	colours := []string{"blue", "green", "red"}
	for _, class := range predict.Top(scores[0], 2) {
		fmt.Printf("%s %.2f\n", colours[class], scores[0][class])
	}
	// Output:
	// red 0.86
	// green 0.12
}
