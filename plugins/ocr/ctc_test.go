package ocr_test

import (
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	_ "github.com/gocaffe/gocaffe/layers/common" // Bias, in golden cases
	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestGoldenCTC(t *testing.T) { goldenCTC(t, nil) }

func TestGoldenCTCDevice(t *testing.T) { goldenCTC(t, cudatest.Device(t)) }

func goldenCTC(t *testing.T, d *cuda.Device) {
	layertest.GoldenIn(t, "ctc", reference.ForksFS(t, "layers-misc"), d, "CTCGreedyDecoder", "CTCLoss")
}

// sequences returns the bottoms for two sequences of six and four steps with four classes,
// and labels: three and one.
func sequences() []*blob.Blob {
	return []*blob.Blob{
		layertest.Gaussian(1, 6, 2, 4),
		layertest.Values([]float32{0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1}, 6, 2),
		layertest.Values([]float32{1, 2, 1, -1, 0, -1, -1, -1, -1, -1, -1, -1}, 6, 2),
	}
}

// one returns the bottoms for one sequence: the gradient for several is not divided by
// their number.
func one(labels ...float32) []*blob.Blob {
	for len(labels) < 6 {
		labels = append(labels, -1)
	}
	return []*blob.Blob{layertest.Gaussian(1, 6, 1, 4), layertest.Values([]float32{0, 1, 1, 1, 1, 0}, 6, 1), layertest.Values(labels, 6, 1)}
}

// TestSlopeCTC compares the gradient for one sequence with the central difference of the
// loss. layertest.CheckGradient cannot do that: it gives the loss a weight.
func TestSlopeCTC(t *testing.T) {
	for _, options := range []string{
		"", "blank_index: 3", "output_delay: 1", "ctc_merge_repeated: false", "preprocess_collapse_repeated: true",
	} {
		f := layertest.New(t, layer("CTCLoss", 3, "ctc_loss_param { "+options+" }"), one(1, 1, 0)...)
		x := f.Bottom[0].MutableData()
		loss := func() float64 {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			return float64(f.Top[0].Data()[0])
		}
		loss()
		if err := f.Layer.Backward(t.Context(), f.Top, []bool{true, false, false}, f.Bottom); err != nil {
			t.Fatal(err)
		}
		got := slices.Clone(f.Bottom[0].Diff())
		for i, v := range x {
			x[i] = v + 0.01
			above := loss()
			x[i] = v - 0.01
			want := (above - loss()) / 0.02
			x[i] = v
			if math.Abs(float64(got[i])-want) > 1e-3 {
				t.Errorf("%s: element %d has gradient %g, want %g", options, i, got[i], want)
			}
		}
	}
}

// TestDecoded compares what the decoder reads and counts with numbers worked out by hand.
func TestDecoded(t *testing.T) {
	scores := make([]float32, 6*1*3)
	for t, k := range []int{0, 0, 2, 0, 1, 1} { // blank is 2: labels 0 0 1, or 0 0 0 1 1
		scores[t*3+k] = float32(t + 1)
	}
	for _, test := range []struct {
		options  string
		labels   []float32
		accuracy float32
	}{
		{"", []float32{0, 0, 1, -1, -1, -1}, 0.75},                                             // distance 1 of 4
		{"ctc_decoder_param { ctc_merge_repeated: false }", []float32{0, 0, 0, 1, 1, -1}, 0.2}, // 0 becomes 1, and three labels go: distance 4 of 5
	} {
		right := layertest.Values([]float32{0, 0, 1, 0, -1, -1}, 6, 1)
		if test.options != "" {
			right = layertest.Values([]float32{1, 0, -1, 0, 0, 0}, 6, 1)
		}
		f := layertest.New(t, layer("CTCGreedyDecoder", 3, `top: "score" top: "accuracy" `+test.options),
			layertest.Values(scores, 6, 1, 3), layertest.Values([]float32{0, 1, 1, 1, 1, 1}, 6, 1), right)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if got := f.Top[0].Data(); !slices.Equal(got, test.labels) {
			t.Errorf("%s: labels %v, want %v", test.options, got, test.labels)
		}
		if got := f.Top[1].Data()[0]; got != -21 {
			t.Errorf("%s: score %v, want -21", test.options, got)
		}
		if got := f.Top[2].Data()[0]; got != test.accuracy {
			t.Errorf("%s: accuracy %v, want %v", test.options, got, test.accuracy)
		}
	}
}

func TestPromisesCTC(t *testing.T) {
	for text, bottoms := range map[string][]*blob.Blob{
		layer("CTCLoss", 3, ""): sequences(),
		layer("CTCGreedyDecoder", 3, `top: "score" top: "accuracy"`): sequences(),
	} {
		layertest.CheckThreads(t, text, bottoms...)
		layertest.CheckAllocs(t, text, bottoms...)
	}
}

func TestErrorsCTC(t *testing.T) {
	x := sequences()
	for _, test := range []struct {
		want, typ, options string
		bottoms            []*blob.Blob
	}{
		{"output_delay is -1, want 0 or more", "CTCLoss", "ctc_loss_param { output_delay: -1 }", x},
		{"blank_index is 4, want less than 4, the number of classes", "CTCLoss", "ctc_loss_param { blank_index: 4 }", x},
		{"bottom 0 has shape [6 2], want steps x sequences x classes, none of them 0", "CTCLoss", "", []*blob.Blob{x[1], x[1], x[2]}},
		{"bottom 2, the labels, has shape [4 2], want [6 2]", "CTCLoss", "", []*blob.Blob{x[0], x[1], layertest.Gaussian(1, 4, 2)}},
		{"there are 3 tops, want at most 2: without labels there is no accuracy", "CTCGreedyDecoder", `top: "z" top: "w"`, x[:2]},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, len(test.bottoms), test.options), test.bottoms...)
	}
	for _, test := range []struct {
		want    string
		bottoms []*blob.Blob
	}{
		{"there are 6 labels for 5 steps, less 0 of output_delay", one(0, 0, 0, 0, 0, 0)},
		{"there is no label for 5 steps, want one", one()},
		{"there is a label after one that is the blank or no class", one(0, 7, 1)},
	} {
		f := layertest.New(t, layer("CTCLoss", 3, ""), test.bottoms...)
		want := `layer.prototxt:1:79: layer "l": sequence 0: ` + test.want
		if err := f.Forward(); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
