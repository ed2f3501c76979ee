package all

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data/npy"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestOpenCVNets compares the outputs of nets with those of OpenCV's reader of Caffe's
// files, from the same weights: of the nets in testdata/opencv, whose weights are made
// here, and of each DIR/NAME.prototxt with a NAME.caffemodel in the folder that
// GOCAFFE_OPENCV_NETS names.
func TestOpenCVNets(t *testing.T) {
	python := ""
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(p, "-c", "import cv2, numpy; cv2.dnn.readNetFromCaffe").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Skip("SKIPPED: there is no OpenCV 4 for Python to compare with (apt-get install python3-opencv)")
	}
	ours, err := filepath.Glob("testdata/opencv/*.prototxt")
	if err != nil || len(ours) == 0 {
		t.Fatalf("no nets: %v", err)
	}
	for _, path := range ours {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".prototxt"), func(t *testing.T) { compareWithOpenCV(t, python, path, "") })
	}
	dir := os.Getenv("GOCAFFE_OPENCV_NETS")
	if dir == "" {
		return
	}
	weights, err := filepath.Glob(filepath.Join(dir, "*.caffemodel"))
	if err != nil || len(weights) == 0 {
		t.Fatalf("%s has no weights: %v", dir, err)
	}
	for _, path := range weights {
		model := strings.TrimSuffix(path, ".caffemodel") + ".prototxt"
		t.Run(filepath.Base(path), func(t *testing.T) { compareWithOpenCV(t, python, model, path) })
	}
}

// compareWithOpenCV compares all outputs of a net for a random input. Without a file of
// weights, those of the fillers are used.
func compareWithOpenCV(t *testing.T, python, model, weights string) {
	file, err := net.Read(model)
	if err != nil {
		t.Fatal(err)
	}
	pool := parallel.NewPool(2)
	defer pool.Close()
	n, err := net.New(file, net.Options{ForwardOnly: true, Workers: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	dir := t.TempDir()
	if weights == "" {
		weights = filepath.Join(dir, "weights.caffemodel")
		r := rand.New(rand.NewPCG(3, 1))
		for _, l := range n.Layers() {
			if l.Type == "BatchNorm" { // means and variances that are not 0
				for _, b := range l.Params {
					for i := range b.MutableData() {
						b.MutableData()[i] = 0.5 + r.Float32()
					}
				}
			}
		}
		err = n.SaveWeights(weights, false)
	} else {
		err = n.LoadWeights(weights)
	}
	if err != nil {
		t.Fatal(err)
	}
	inputs := n.Inputs()
	if len(inputs) != 1 {
		t.Fatalf("the net has %d inputs", len(inputs))
	}
	in := n.Blob(inputs[0])
	r := rand.New(rand.NewPCG(1, 2))
	for i := range in.MutableData() {
		in.MutableData()[i] = float32(r.NormFloat64())
	}
	input, outputs := filepath.Join(dir, "input.npy"), filepath.Join(dir, "outputs.npz")
	f, err := os.Create(input)
	if err != nil {
		t.Fatal(err)
	}
	if err := npy.Write(f, npy.Array{Shape: in.Shape(), Data: slices.Clone(in.Data())}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(python, "testdata/opencv/run.py", model, weights, input, outputs).CombinedOutput(); err != nil {
		t.Fatalf("OpenCV: %v: %s", err, out)
	}
	if _, err := n.Forward(context.Background()); err != nil {
		t.Fatal(err)
	}
	want, err := npy.ReadFile(outputs)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, w := range want {
		for _, o := range n.Outputs() {
			if o.Name != strings.ReplaceAll(w.Name, "|", "/") {
				continue
			}
			compared++
			got, size, off := o.Blob.Data(), 0.0, 0.0
			if len(got) != len(w.Data) {
				t.Errorf("%s has the shape %v, with OpenCV %v", o.Name, o.Blob.Shape(), w.Shape)
				continue
			}
			if shape := o.Blob.Shape(); len(shape) == 4 && shape[3] == 7 { // detections, which OpenCV sorts by score alone
				got, w.Data = byClass(got), byClass(w.Data)
			}
			for i, v := range w.Data {
				size = max(size, math.Abs(float64(v)))
				off = max(off, math.Abs(float64(v)-float64(got[i])))
			}
			t.Logf("%s, %v: largest difference %.2g of %.2g", o.Name, o.Blob.Shape(), off, size)
			if !(off <= 2e-5*size) || size == 0 {
				t.Errorf("%s: the largest difference is %g, the largest element %g", o.Name, off, size)
			}
		}
	}
	if compared == 0 || compared != len(n.Outputs()) {
		t.Errorf("%d of %d outputs were compared", compared, len(n.Outputs()))
	}
}

// byClass returns detections by class, and by score from the highest on.
func byClass(x []float32) []float32 {
	rows := slices.Collect(slices.Chunk(x, 7))
	slices.SortStableFunc(rows, func(a, b []float32) int { return cmp.Or(cmp.Compare(a[1], b[1]), cmp.Compare(b[2], a[2])) })
	return slices.Concat(rows...)
}
