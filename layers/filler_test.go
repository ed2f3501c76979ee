package layers

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

func fillerParam(t *testing.T, text string) *caffepb.FillerParameter {
	t.Helper()
	p := new(caffepb.FillerParameter)
	if err := prototext.Unmarshal([]byte(text), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func filled(t *testing.T, text string, r Rand, shape ...int) []float32 {
	t.Helper()
	b, err := blob.New(shape...)
	if err != nil {
		t.Fatal(err)
	}
	if err := Fill(b, fillerParam(t, text), r); err != nil {
		t.Fatal(err)
	}
	return b.Data()
}

// TestFillMoments compares mean, standard deviation and range of many numbers
// with those of the distribution.
func TestFillMoments(t *testing.T) {
	inf := math.Inf(1)
	uniform := func(limit float64) [4]float64 { return [4]float64{0, limit / math.Sqrt(3), -limit, limit} }
	tests := []struct {
		filler string
		shape  []int
		want   [4]float64 // mean, standard deviation, lower and upper limit
	}{
		{`type: "constant" value: 3.5`, []int{100, 100}, [4]float64{3.5, 0, 3.5, 3.5}},
		{`type: "uniform" min: -1 max: 3`, []int{100, 1000}, [4]float64{1, 4 / math.Sqrt(12), -1, 3}},
		{`type: "gaussian" mean: 2 std: 0.5`, []int{100, 1000}, [4]float64{2, 0.5, -inf, inf}},
		{`type: "xavier"`, []int{200, 10, 5, 5}, uniform(math.Sqrt(3.0 / 250))},
		{`type: "xavier" variance_norm: FAN_OUT`, []int{200, 10, 5, 5}, uniform(math.Sqrt(3.0 / 5000))},
		{`type: "xavier" variance_norm: AVERAGE`, []int{200, 10, 5, 5}, uniform(math.Sqrt(3.0 / 2625))},
		{`type: "xavier" variance_norm: FAN_OUT`, []int{50000}, uniform(math.Sqrt(3.0 / 50000))},
		{`type: "xavier"`, []int{50000}, uniform(math.Sqrt(3))},
		{`type: "msra"`, []int{200, 10, 5, 5}, [4]float64{0, math.Sqrt(2.0 / 250), -inf, inf}},
		{`type: "msra" variance_norm: FAN_OUT`, []int{200, 250}, [4]float64{0, math.Sqrt(2.0 / 200), -inf, inf}},
		{`type: "msra" variance_norm: AVERAGE`, []int{200, 250}, [4]float64{0, math.Sqrt(2.0 / 225), -inf, inf}},
	}
	for _, test := range tests {
		data := filled(t, test.filler, NewRand(1, test.filler), test.shape...)
		var sum, squares float64
		for _, v := range data {
			sum += float64(v)
			if float64(v) < test.want[2]-1e-6 || float64(v) > test.want[3]+1e-6 {
				t.Fatalf("%s: %g is outside %g to %g", test.filler, v, test.want[2], test.want[3])
			}
		}
		n := float64(len(data))
		mean := sum / n
		for _, v := range data {
			squares += (float64(v) - mean) * (float64(v) - mean)
		}
		std := math.Sqrt(squares / n)
		// Five standard errors: of the mean σ/√n, of the deviation at most σ/√2n.
		limit := 5 * test.want[1] / math.Sqrt(n)
		if math.Abs(mean-test.want[0]) > limit || math.Abs(std-test.want[1]) > limit {
			t.Errorf("%s: mean %g, standard deviation %g, want %g, %g within %g", test.filler, mean, std, test.want[0], test.want[1], limit)
		}
	}
}

func TestFillSparse(t *testing.T) {
	data := filled(t, `type: "gaussian" std: 1 sparse: 15`, NewRand(1), 100, 500)
	nonzero, squares := 0.0, 0.0
	for _, v := range data {
		if v != 0 {
			nonzero++
			squares += float64(v) * float64(v)
		}
	}
	if want, limit := 0.15*50000, 5*math.Sqrt(0.15*0.85*50000); math.Abs(nonzero-want) > limit {
		t.Errorf("%g numbers are not zero, want %g within %g", nonzero, want, limit)
	}
	if std := math.Sqrt(squares / nonzero); math.Abs(std-1) > 0.05 {
		t.Errorf("standard deviation of what is not zero is %g, want 1", std)
	}
	for _, v := range filled(t, `type: "gaussian" std: 1 sparse: 0`, NewRand(1), 4, 5) {
		if v != 0 {
			t.Fatalf("sparse: 0 leaves %g", v)
		}
	}
	for _, v := range filled(t, `type: "gaussian" std: 1 sparse: 4`, NewRand(1), 4, 5) {
		if v == 0 {
			t.Fatal("sparse: 4 of 4 outputs leaves a zero")
		}
	}
}

func TestFillPositiveUnitball(t *testing.T) {
	data := filled(t, `type: "positive_unitball"`, NewRand(1), 7, 3, 5)
	for i := range 7 {
		var sum float64
		for _, v := range data[15*i : 15*i+15] {
			if v < 0 {
				t.Errorf("number %g is negative", v)
			}
			sum += float64(v)
		}
		if math.Abs(sum-1) > 1e-6 {
			t.Errorf("output %d has sum %g, want 1", i, sum)
		}
	}
}

func TestFillGaussianUnitball(t *testing.T) {
	data := filled(t, `type: "gaussian_unitball"`, NewRand(1), 7, 3, 5)
	negative := 0
	for i := range 7 {
		var squares float64
		for _, v := range data[15*i : 15*i+15] {
			if v < 0 {
				negative++
			}
			squares += float64(v) * float64(v)
		}
		if math.Abs(squares-1) > 1e-6 {
			t.Errorf("output %d has length² %g, want 1", i, squares)
		}
	}
	if negative < 30 || negative > 75 {
		t.Errorf("%d of 105 numbers are negative, want about half", negative)
	}
}

// TestFillGolden compares the fillers without random numbers with the weights
// that Caffe made.
func TestFillGolden(t *testing.T) {
	dir := reference.Golden(t, "formats/fillers")
	data, err := os.ReadFile(filepath.Join(dir, "filled.caffemodel"))
	if err != nil {
		t.Fatal(err)
	}
	var net caffepb.NetParameter
	if err := proto.Unmarshal(data, &net); err != nil {
		t.Fatal(err)
	}
	bilinear := `type: "bilinear"`
	fillers := map[string][]string{
		"up4":     {bilinear},
		"up3":     {bilinear},
		"up5":     {bilinear, `type: "constant" value: 0.25`},
		"ip":      {`type: "constant" value: -1.5`, `value: 3`},
		"default": {``, ``},
	}
	compared := 0
	for _, layer := range net.GetLayer() {
		for i, text := range fillers[layer.GetName()] {
			want := layer.GetBlobs()[i]
			got := filled(t, text, Rand{}, blob.ProtoShape(want)...)
			for k, w := range want.GetData() {
				if got[k] != w {
					t.Errorf("%s, blob %d: number %d is %g, want %g", layer.GetName(), i, k, got[k], w)
					break
				}
			}
			compared++
		}
	}
	if compared != 8 {
		t.Errorf("%d blobs were compared, want 8", compared)
	}
}

func TestFillErrors(t *testing.T) {
	tests := []struct {
		filler string
		shape  []int
		want   string // a part of the message
	}{
		{`type: "gausian"`, []int{2, 2}, `unknown filler type "gausian", did you mean "gaussian"? (known types: constant, uniform, `},
		{`type: "qqqqqqqq"`, []int{2, 2}, `unknown filler type "qqqqqqqq" (known types: constant, uniform, `},
		{`type: "xavier" sparse: 3`, []int{2, 2}, `"xavier" with sparse: 3`},
		{`type: "gaussian" sparse: -2`, []int{2, 2}, `sparse -2, want -1 or more`},
		{`type: "gaussian" sparse: 3`, []int{2, 2}, `sparse 3 is more than the 2 outputs of shape [2 2]`},
		{`type: "gaussian" std: 0`, []int{2, 2}, `std 0, want more than 0`},
		{`type: "uniform" min: 2 max: 1`, []int{2, 2}, `min 2 and max 1`},
		{`type: "bilinear"`, []int{2, 3, 4}, `shape [2 3 4], want 4 axes`},
		{`type: "bilinear"`, []int{2, 3, 4, 5}, `shape [2 3 4 5], want 4 axes and the last two equal`},
		{`type: "constant"`, []int{2, 0}, `shape [2 0] has no numbers`},
	}
	for _, test := range tests {
		b, err := blob.New(test.shape...)
		if err != nil {
			t.Fatal(err)
		}
		err = Fill(b, fillerParam(t, test.filler), Rand{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.filler, err, test.want)
		}
	}
}

func TestFillNil(t *testing.T) {
	b, _ := blob.New(3)
	copy(b.MutableData(), []float32{1, 2, 3})
	if err := Fill(b, nil, Rand{}); err != nil {
		t.Fatal(err)
	}
	for _, v := range b.Data() {
		if v != 0 {
			t.Errorf("no filler leaves %g, want 0", v)
		}
	}
}
