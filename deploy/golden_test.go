package deploy

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data/idx"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/net"
	_ "github.com/gocaffe/gocaffe/plugins/bn"
	_ "github.com/gocaffe/gocaffe/plugins/lsoftmax"
	"github.com/gocaffe/gocaffe/prototxt"
)

// toFolder deploys a net of files, and returns the net that the files it
// writes make.
func toFolder(t *testing.T, model, weights string, opts Options) (*Net, *net.Net) {
	t.Helper()
	file, err := prototxt.ReadNet(model)
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := prototxt.ReadBinaryNet(weights)
	if err != nil {
		t.Fatal(err)
	}
	made, err := New(context.Background(), file, p, weights, opts)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := made.Write(dir, nil, false); err != nil {
		t.Fatal(err)
	}
	stock(t, made.Param)
	stock(t, made.Weights)
	model, weights = Files(dir)
	if file, err = prototxt.ReadNet(model); err != nil {
		t.Fatal(err)
	}
	n, err := net.New(file, net.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.LoadWeights(weights); err != nil {
		t.Fatal(err)
	}
	return made, n
}

// near fails if the numbers differ by more than tolerance.
func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) || len(got) == 0 {
		t.Fatalf("%s has %d numbers, want %d", what, len(got), len(want))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-float64(w)) <= tolerance) {
			t.Fatalf("%s[%d] is %g, want %g to %g", what, i, got[i], w, tolerance)
		}
	}
}

// TestGoldenNets deploys nets that Caffe has trained, and compares their
// scores of 32 test images of MNIST with those that Caffe computed.
func TestGoldenNets(t *testing.T) {
	const items = 32
	images, err := idx.Open(filepath.Join(reference.Data(t, "mnist"), "t10k-images-idx3-ubyte.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer images.Close()
	pixels := make([]byte, items*28*28)
	for i := range items {
		if err := images.Next(pixels[i*28*28 : (i+1)*28*28]); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		net, weights string
		shift, scale float32
		layers       []string // that are there in addition to those of the file
	}{
		{"lenet", "after_100.caffemodel", 0, 1. / 256, nil},
		{"liunet_16", "after_20.caffemodel", 127.5, 1. / 128, nil},
		{"liunet_16_lsoftmax", "after_20.caffemodel", 127.5, 1. / 128, []string{"bn_conv0_scale"}},
	} {
		t.Run(test.net, func(t *testing.T) {
			dir := reference.Golden(t, "nets/"+test.net)
			made, n := toFolder(t, filepath.Join(dir, "test.prototxt"), filepath.Join(dir, test.weights), Options{Batch: items})
			if got := strings.Join(made.Outputs, " "); got != "prob" {
				t.Errorf("the outputs are %s, want prob", got)
			}
			names := make(map[string]bool)
			for _, l := range n.Layers() {
				names[l.Name] = true
			}
			for _, name := range append(test.layers, "data", "ip1", "ip2", "prob") {
				if !names[name] {
					t.Errorf("there is no layer %s", name)
				}
			}
			if names["label"] || names["loss"] || names["accuracy"] {
				t.Error("label, loss or accuracy are still there")
			}
			x := n.Blob("data").MutableData()
			for i, p := range pixels {
				x[i] = (float32(p) - test.shift) * test.scale
			}
			if _, err := n.Forward(context.Background()); err != nil {
				t.Fatal(err)
			}
			scores := reference.Arrays(t, filepath.Join(dir, "outputs.binaryproto"))["outputs ip2"][0].Data
			near(t, "ip2", n.Blob("ip2").Data(), scores, outputTolerance(t, dir, "ip2"))
			// A probability moves by at most half of what its score does.
			near(t, "prob", n.Blob("prob").Data(), expect(made.Param.Layer[len(made.Param.Layer)-1], scores, []int{items, 10}), outputTolerance(t, dir, "ip2"))
		})
	}
}

func outputTolerance(t *testing.T, dir, blob string) (abs float64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "tolerance.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(line, "outputs "+blob+" "); ok {
			if _, err := fmt.Sscan(number, &abs); err != nil {
				t.Fatal(err)
			}
		}
	}
	return abs
}

// TestGoldenFiles deploys nets from files of all ages, which have no labels,
// and compares with what Caffe computes.
func TestGoldenFiles(t *testing.T) {
	formats := reference.Golden(t, "formats")
	for _, test := range []struct{ model, weights, golden, output string }{
		{"weights/net.prototxt", "weights/model.caffemodel", "weights/golden.binaryproto", "sum"},
		{"upgrade/v0.prototxt", "upgrade/v0.caffemodel", "upgrade/v0.golden.binaryproto", "prob"},
		{"upgrade/v1.prototxt", "upgrade/v1.caffemodel", "upgrade/v1.golden.binaryproto", "prob"},
	} {
		t.Run(test.model, func(t *testing.T) {
			made, n := toFolder(t, filepath.Join(formats, test.model), filepath.Join(formats, test.weights), Options{})
			if got := strings.Join(made.Outputs, " "); !strings.Contains(" "+got+" ", " "+test.output+" ") {
				t.Fatalf("the outputs are %s, want %s", got, test.output)
			}
			values := reference.Arrays(t, filepath.Join(formats, test.golden))
			copy(n.Blob(n.Inputs()[0]).MutableData(), values["inputs"][0].Data)
			if _, err := n.Forward(context.Background()); err != nil {
				t.Fatal(err)
			}
			want := values["outputs"][0].Data
			var most float64
			for _, v := range want {
				most = max(most, math.Abs(float64(v)))
			}
			near(t, test.output, n.Blob(test.output).Data(), want, 1e-4*most) // sums of a few hundred products
		})
	}
}
