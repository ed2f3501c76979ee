package predict

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/parallel"
)

const mapInput = `layer { name: "data" type: "Input" top: "data" %OPTIONS% input_param { shape { dim: 2 dim: 3 dim: 4 dim: 6 } } } `

// mapNet returns a net whose output is that of some layers behind the input.
func mapNet(layers string) string { return strings.ReplaceAll(mapInput, "%OPTIONS%", "") + layers }

const (
	same4    = `layer { name: "scores" type: "Power" bottom: "data" top: "scores" }`
	halved   = `layer { name: "scores" type: "Pooling" bottom: "data" top: "scores" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }`
	argMaxed = `layer { name: "labels" type: "ArgMax" bottom: "data" top: "labels" argmax_param { axis: 1 } }`
)

// wantClasses computes the classes of an image whose channels are the scores, averaged over
// blocks of the given size: linear between the centres of blocks, beyond them the value of
// the last. The image is scaled to h x w of the input first, from its top left corner.
func wantClasses(im *data.Image, h, w, block, pad int) []byte {
	scaled := *im
	scaled.Resize(h, w)
	score := func(c, y, x int) float64 { // of a block, with zeros around
		sum := 0.0
		for v := y * block; v < (y+1)*block; v++ {
			for u := x * block; u < (x+1)*block; u++ {
				if v >= pad && u >= pad && v < h+pad && u < w+pad {
					sum += float64(scaled.Pix[((v-pad)*w+u-pad)*3+c])
				}
			}
		}
		return sum / float64(block*block)
	}
	outH, outW := (h+2*pad)/block, (w+2*pad)/block
	at := func(i, n, size, out int) (a, b int, t float64) {
		p := ((float64(i)+0.5)*float64(size)/float64(n)+float64(pad))/float64(block) - 0.5
		p = math.Max(0, math.Min(p, float64(out-1)))
		a = int(p)
		return a, min(a+1, out-1), p - float64(a)
	}
	var classes []byte
	for y := range im.Height {
		y0, y1, t := at(y, im.Height, h, outH)
		for x := range im.Width {
			x0, x1, u := at(x, im.Width, w, outW)
			best, most := 0, math.Inf(-1)
			for c := range 3 {
				v := (1-t)*((1-u)*score(c, y0, x0)+u*score(c, y0, x1)) + t*((1-u)*score(c, y1, x0)+u*score(c, y1, x1))
				if v > most+1e-4 {
					best, most = c, v
				}
			}
			classes = append(classes, byte(best))
		}
	}
	return classes
}

// TestSegment compares classes with a computation of their own, for images larger and
// smaller than the input.
func TestSegment(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	for _, test := range []struct {
		layers string
		o      SegmentOptions
		h, w   int // of the input
		block  int
		pad    int
	}{
		{same4, SegmentOptions{}, 4, 6, 1, 0},
		{same4, SegmentOptions{Preparation: &Preparation{Height: 9, Width: 5}, Batch: 3}, 9, 5, 1, 0},
		{halved, SegmentOptions{}, 4, 6, 2, 0},
		{halved, SegmentOptions{Preparation: &Preparation{Height: 8, Width: 12}, Workers: pool}, 8, 12, 2, 0},
		{halved, SegmentOptions{Preparation: &Preparation{Height: 4, Width: 6, Pad: 2}}, 4, 6, 2, 2},
		{same4, SegmentOptions{Preparation: &Preparation{Mean: &data.Mean{Channels: 3, Height: 7, Width: 8, Data: make([]float32, 3*7*8)}}}, 7, 8, 1, 0},
	} {
		s, err := NewSegmenter(newNet(t, mapNet(test.layers)), test.o)
		if err != nil {
			t.Fatal(err)
		}
		if s.Classes() != 3 || s.Mode() != data.Color {
			t.Errorf("%d classes, mode %v", s.Classes(), s.Mode())
		}
		images := []*data.Image{noise(1, 3, 8, 12), noise(2, 3, 4, 6), noise(3, 3, 31, 17), noise(4, 3, 2, 3), noise(5, 3, 1, 1)}
		got, err := s.Segment(t.Context(), images...)
		if err != nil || len(got) != len(images) {
			t.Fatalf("%d results, %v", len(got), err)
		}
		for i, im := range images {
			want := wantClasses(im, test.h, test.w, test.block, test.pad)
			if got[i].Height != im.Height || got[i].Width != im.Width || len(got[i].Classes) != len(want) {
				t.Fatalf("image %d: %d x %d, want that of the image", i, got[i].Height, got[i].Width)
			}
			differ := 0
			for k, c := range want {
				if got[i].Classes[k] != c {
					differ++
				}
			}
			if differ > len(want)/100 { // sums that are nearly equal
				t.Errorf("%s, image %d: %d of %d pixels have another class", test.layers, i, differ, len(want))
			}
		}
	}
}

// TestSegmentLabels takes labels to the nearest.
func TestSegmentLabels(t *testing.T) {
	s, err := NewSegmenter(newNet(t, mapNet(argMaxed)), SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	im := noise(1, 3, 4, 6)
	small, err := s.Segment(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	if want := wantClasses(im, 4, 6, 1, 0); s.Classes() != 0 || !slices.Equal(small[0].Classes, want) {
		t.Errorf("%d classes, %v, want %v", s.Classes(), small[0].Classes, want)
	}
	large := &data.Image{Channels: 3, Height: 12, Width: 18} // pixels of three by three
	for y := range large.Height {
		for x := range large.Width {
			large.Pix = append(large.Pix, im.Pix[(y/3*6+x/3)*3:][:3]...)
		}
	}
	scaled := *large
	scaled.Resize(4, 6)
	if !slices.Equal(scaled.Pix, im.Pix) {
		t.Fatal("the image does not become the small one")
	}
	got, err := s.Segment(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range got[0].Classes {
		if want := small[0].Classes[i/18/3*6+i%18/3]; c != want {
			t.Fatalf("pixel %d has the class %d, want %d", i, c, want)
		}
	}
}

func TestSegmentRefuses(t *testing.T) {
	flat := `layer { name: "ip" type: "InnerProduct" bottom: "data" top: "scores" inner_product_param { num_output: 6 } }`
	for name, tt := range map[string]struct {
		layers string
		o      SegmentOptions
		want   string
	}{
		"no places":   {flat, SegmentOptions{}, `the output "scores" has the shape [2 6], want 2 x classes x height x width`},
		"two outputs": {same4 + argMaxed, SegmentOptions{}, "the net has 2 outputs (labels, scores): name the blob with the scores or labels of the pixels"},
		"no blob":     {same4, SegmentOptions{Blob: "prob"}, `the net has no blob "prob"; its blobs are data, scores`},
		"many":        {`layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 257 kernel_size: 1 } }`, SegmentOptions{}, `the output "c" has the shape [2 257 4 6], want 2 x classes x height x width, with 2 to 256 classes`},
		"huge":        {same4, SegmentOptions{Preparation: &Preparation{Height: 99999, Width: 99999}}, "images are scaled to 99999 x 99999"},
		"batch":       {same4, SegmentOptions{Batch: -1}, "the batch size is -1, want 1 or more"},
	} {
		_, err := NewSegmenter(newNet(t, mapNet(tt.layers)), tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	grey := `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 6 } } }
layer { name: "p" type: "Power" bottom: "data" top: "p" power_param { scale: 0.3 } }`
	s, err := NewSegmenter(newNet(t, grey), SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Segment(t.Context(), noise(1, 1, 4, 6)); err == nil || !strings.Contains(err.Error(), `image 0: the output "p" has the value`) || !strings.Contains(err.Error(), "want labels from 0 to 255, or the scores of two classes or more") {
		t.Errorf("one channel without labels: %v", err)
	}
	n := newNet(t, mapNet(`layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 2 kernel_size: 1 } }`))
	n.Params()[0].Blob.MutableData()[0] = float32(math.NaN())
	if s, err = NewSegmenter(n, SegmentOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Segment(t.Context(), noise(1, 3, 4, 6)); err == nil || !strings.Contains(err.Error(), `image 0: a score of "c" is NaN`) {
		t.Errorf("weights with NaN: %v", err)
	}
}
