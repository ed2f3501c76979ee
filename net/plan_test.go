package net

import (
	"fmt"
	"strings"
	"testing"
)

// TestPlan has a net small enough to count by hand: 2 images of 1x4x4, a
// convolution with 3 kernels of 1x3x3 and bias, 12 scores in 5 classes.
func TestPlan(t *testing.T) {
	const text = `layer { name: 'in' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 2 dim: 1 dim: 4 dim: 4 } shape { dim: 2 } } }
layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' }
layer { name: 'ip' type: 'InnerProduct' bottom: 'conv' top: 'ip' inner_product_param { num_output: 5 } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }`
	n := build(t, text, Options{State: state(t, "TRAIN")})
	p := n.Plan()
	const conv, scores = 2 * 3 * 2 * 2, 2 * 5
	const weights = 3*9 + 3 + 5*12 + 5
	want := Plan{
		Weights:       weights,
		MACs:          conv*9 + scores*12,
		DataBytes:     4 * (2*16 + 2 + conv + scores + 1),
		DiffBytes:     4 * (conv + scores + 1),
		WeightBytes:   4 * weights,
		GradientBytes: 4 * weights,
	}
	got := *p
	got.Layers = nil
	if got.Weights != want.Weights || got.MACs != want.MACs || got.DataBytes != want.DataBytes || got.DiffBytes != want.DiffBytes ||
		got.WeightBytes != want.WeightBytes || got.GradientBytes != want.GradientBytes {
		t.Errorf("plan is\n%+v\nwant\n%+v", got, want)
	}
	var bytes int64
	for _, l := range p.Layers {
		bytes += l.Bytes
	}
	if bytes != p.Bytes() {
		t.Errorf("the layers need %d bytes, the net %d", bytes, p.Bytes())
	}
	table := p.String()
	for _, words := range []string{"conv Convolution 2x3x2x2 30 216 ", "in Input 2x1x4x4 2 0 0 ", "loss SoftmaxWithLoss 1 0 0 ", "all 95 336 "} {
		found := false
		for line := range strings.Lines(table) {
			found = found || strings.HasPrefix(strings.Join(strings.Fields(line), " "), words)
		}
		if !found {
			t.Errorf("no line %q in\n%s", words, table)
		}
	}
	// A plan takes no memory: neither for blobs nor for their gradients.
	for _, name := range []string{"data", "conv", "ip"} {
		if held := n.Blob(name).HostBytes(); held != 0 {
			t.Errorf("blob %s holds %d bytes before any pass", name, held)
		}
	}
	test := build(t, text, Options{}).Plan()
	if test.DiffBytes != 4 || test.GradientBytes != 0 {
		t.Errorf("in phase TEST the gradients need %d and %d bytes, want 4 for the weight of the loss", test.DiffBytes, test.GradientBytes)
	}
}

// The tops of a Split have the memory of its bottom.
func TestPlanOfSplit(t *testing.T) {
	p := build(t, tinyInput+silence+`
layer { name: 'a' type: 'Power' bottom: 'data' top: 'a' }
layer { name: 'b' type: 'Power' bottom: 'data' top: 'b' }`, Options{}).Plan()
	if want := int64(4 * (3*120 + 5)); p.DataBytes != want || p.DiffBytes != 0 {
		t.Errorf("the blobs need %d bytes and their gradients %d, want %d and 0", p.DataBytes, p.DiffBytes, want)
	}
}

// A net that no machine can hold is refused before it takes the memory.
func TestTooLarge(t *testing.T) {
	var text strings.Builder
	text.WriteString("layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 2000000000 } } }\n")
	text.WriteString("layer { name: 'many' type: 'Concat' bottom: 'x' bottom: 'x' top: 'y' concat_param { axis: 0 } }\n")
	_, err := New(parse(t, text.String()), Options{})
	if err == nil || !strings.HasPrefix(err.Error(), `net.prototxt:2:`) || !strings.Contains(err.Error(), `layer "many": `) {
		t.Errorf("a blob of 4e9 elements: got %v, want an error of layer many", err)
	}
	text.Reset()
	text.WriteString("layer { name: 'in' type: 'Input' input_param { shape { dim: 2000000000 } }")
	for i := range 20000 {
		fmt.Fprintf(&text, " top: 't%d'", i)
	}
	text.WriteString(" }")
	_, err = New(parse(t, text.String()), Options{})
	if want := "net.prototxt: the blobs of the net need 160000000000000 bytes, want at most 140737488355328, the size of the address space"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestHugeOutputs(t *testing.T) {
	for _, layer := range []string{
		"type: 'InnerProduct' inner_product_param { num_output: 4294967295 }",
		"type: 'Convolution' convolution_param { num_output: 4294967295 kernel_size: 1 }",
		"type: 'InnerProduct' inner_product_param { num_output: 2147483647 }",
	} {
		_, err := New(parse(t, tinyInput+silence+"layer { name: 'huge' bottom: 'data' top: 'y' "+layer+" }"), Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "net.prototxt:4:") || !strings.Contains(err.Error(), `layer "huge": `) {
			t.Errorf("%s: got %v, want an error of the layer", layer, err)
		}
	}
}

// Tables fit a terminal, whatever is in the net.
func TestPlanTable(t *testing.T) {
	many := make([][]int, 3000)
	for i := range many {
		many[i] = []int{1, 4}
	}
	p := &Plan{
		Layers: []LayerPlan{
			{Name: "inception_5b/5x5_reduce/bn/with/a/name/that/does/not/end", Type: "LargeMarginInnerProduct", Tops: [][]int{{128, 1024, 112, 112}}, Weights: 1_234_567, MACs: 98_765_432_100},
			{Name: "b", Type: "Split", Tops: many, Weights: 9999, Bytes: 250 << 20},
			{Name: "mixed", Type: "Slice", Tops: [][]int{{1}, {2}, {3}, {4}, {5}, {6}}, Weights: 10_000, MACs: 999_499},
			{Name: "none", Type: "Silence"},
		},
	}
	got := p.String()
	for line := range strings.Lines(got) {
		if n := len(line) - 1; n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{"incep..t/end", "LargeMarg..erProduct", "128x1024x112x112", "1.23 M", "98.8 G", "3000x (1x4)", " 9999 ", "250", "1 2 3 4 and 2 more", "10.0 k", "999 k"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// The work of a plan grows in proportion to the net: 20,000 layers in a row, of
// which every blob is needed until the backward pass, and 10,000 readers of one
// blob. With squares of these numbers the test takes minutes.
func TestPlanOfLongNets(t *testing.T) {
	var text strings.Builder
	text.WriteString("layer { name: 'in' type: 'Input' top: 'b0' input_param { shape { dim: 1 dim: 4 } } }\n")
	for i := range 20_000 {
		fmt.Fprintf(&text, "layer { name: 'l%d' type: 'Bias' bottom: 'b%d' top: 'b%d' }\n", i, i, i+1)
	}
	n := build(t, text.String(), Options{State: state(t, "TRAIN"), Memory: new(Memory)})
	if lines := strings.Count(n.Plan().String(), "\n"); lines != 20_005 {
		t.Errorf("the plan has %d lines, want 20005", lines)
	}
	text.Reset()
	text.WriteString("layer { name: 'in' type: 'Input' top: 'b' input_param { shape { dim: 1 dim: 4 } } }\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "layer { name: 'l%d' type: 'Power' bottom: 'b' top: 'c%d' }\n", i, i)
	}
	n = build(t, text.String(), Options{Memory: new(Memory)})
	if size := len(n.Plan().String()); size > 3<<20 {
		t.Errorf("the plan has %d bytes", size)
	}
}
