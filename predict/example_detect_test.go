package predict_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gocaffe/gocaffe/data"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	_ "github.com/gocaffe/gocaffe/plugins/ssd"
	"github.com/gocaffe/gocaffe/predict"
)

// A net without weights finds bright quarters of an image: their mean is the score. Real
// nets are read by net.Read, and get weights by Net.LoadWeights.
func ExampleDetector_Detect() {
	file, err := net.Parse("quarters.prototxt", []byte(`
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean" pooling_param { pool: AVE kernel_size: 4 stride: 4 } }
layer { name: "zero" type: "Power" bottom: "mean" top: "zero" power_param { scale: 0 } }
layer { name: "locs" type: "Concat" bottom: "zero" bottom: "zero" bottom: "zero" bottom: "zero" top: "locs" }
layer { name: "loc_last" type: "Permute" bottom: "locs" top: "loc_last" permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "loc" type: "Flatten" bottom: "loc_last" top: "loc" }
layer { name: "confs" type: "Concat" bottom: "zero" bottom: "mean" top: "confs" }
layer { name: "conf_last" type: "Permute" bottom: "confs" top: "conf_last" permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "conf" type: "Flatten" bottom: "conf_last" top: "conf" }
layer { name: "priors" type: "PriorBox" bottom: "mean" bottom: "data" top: "priors" prior_box_param { min_size: 4 } }
layer { name: "found" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "found" detection_output_param { num_classes: 2 } }`))
	if err != nil {
		log.Fatal(err)
	}
	n, err := net.New(file, net.Options{ForwardOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	d, err := predict.NewDetector(n, predict.DetectOptions{
		Preparation: &predict.Preparation{Scale: 1. / 255}, Threshold: 0.5,
	})
	if err != nil {
		log.Fatal(err)
	}
	// predict.ReadImage reads files; of this image of 40 x 20 the right half is white.
	im := &data.Image{Channels: 1, Height: 20, Width: 40, Pix: make([]byte, 800)}
	for i := range im.Pix {
		if i%40 >= 20 {
			im.Pix[i] = 255
		}
	}
	found, err := d.Detect(context.Background(), im)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range found[0] {
		fmt.Printf("class %d, %.2f: x %g to %g, y %g to %g\n", f.Class, f.Score, f.Box.XMin, f.Box.XMax, f.Box.YMin, f.Box.YMax)
	}
	// Output:
	// class 1, 1.00: x 20 to 40, y 0 to 10
	// class 1, 1.00: x 20 to 40, y 10 to 20
}
