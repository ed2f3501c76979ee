package netdraw

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/picture"
	"github.com/gocaffe/gocaffe/prototxt"
)

func layers(t *testing.T, text string) []Layer {
	t.Helper()
	n, err := prototxt.ParseNet("net", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var all []Layer
	for _, l := range n.Param.Layer {
		all = append(all, Layer{Param: l})
	}
	return all
}

const small = `
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 20 kernel_size: 3 } param { lr_mult: 0 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" include { phase: TRAIN } }
layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "conv" bottom: "data" top: "<s>" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "<s>" bottom: "label" top: "loss" exclude { phase: TEST } }
layer { name: "acc" type: "Accuracy" bottom: "<s>" bottom: "label" top: "acc" include { phase: TEST } }
`

func TestGraph(t *testing.T) {
	all := layers(t, small)
	all[2].Tops = [][]int{{8, 20, 26, 26}}
	all[6].Tops = [][]int{{}}
	g := New("n", all, Options{Direction: "TB", Multipliers: true, ShowPhases: true})
	var got []string
	for _, b := range g.boxes {
		var rows []string
		for _, r := range b.rows {
			rows = append(rows, fmt.Sprintf("%s/%s/%d", r.name, r.text, r.kind))
		}
		got = append(got, strings.Join(append(rows, b.tops...), "; "))
	}
	want := []string{
		"d/Data (TRAIN)/1; data; label",
		"d/Data (TEST)/1; data; label",
		"conv/Convolution 3x3 20, lr 0/2; relu/ReLU/4; drop/Dropout (TRAIN)/4; 8x20x26x26",
		"sum/Eltwise/5; <s>",
		"loss/SoftmaxWithLoss (TRAIN)/6; 1",
		"acc/Accuracy (TEST)/6",
	}
	if !slices.Equal(got, want) {
		t.Errorf("boxes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got, want := fmt.Sprint(g.edges), "[{0 2 data} {1 2 data} {2 3 conv} {0 3 data} {1 3 data} {3 4 <s>} {0 4 label} {3 5 <s>} {1 5 label}]"; got != want {
		t.Errorf("edges %s, want %s", got, want)
	}
}

func TestKernel(t *testing.T) {
	for _, tt := range []struct{ layer, want string }{
		{`type: "Convolution" convolution_param { num_output: 64 kernel_size: 7 stride: 2 pad: 3 group: 2 }`, "7x7/2+3 64/2"},
		{`type: "Convolution" convolution_param { num_output: 64 kernel_h: 1 kernel_w: 7 pad_h: 0 pad_w: 3 stride_h: 1 stride_w: 1 }`, "1x7+0x3 64"},
		{`type: "Convolution" convolution_param { num_output: 5 kernel_size: 3 kernel_size: 4 kernel_size: 5 }`, "3x4x5 5"},
		{`type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 }`, "AVE 3x3/2"},
		{`type: "Pooling" pooling_param { pool: MAX kernel_h: 2 kernel_w: 1 }`, "MAX 2x1"},
		{`type: "Pooling" pooling_param { pool: AVE global_pooling: true }`, "AVE global"},
		{`type: "InnerProduct" inner_product_param { num_output: 10 }`, "10"},
		{`type: "LRN" lrn_param { }`, "5"},
		{`type: "Eltwise" eltwise_param { operation: PROD }`, "PROD"},
		{`type: "Python" python_param { module: "m" layer: "L" }`, "m.L"},
		{`type: "ReLU"`, ""},
	} {
		l := layers(t, `layer { name: "x" `+tt.layer+` }`)[0].Param
		if got := Kernel(l); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.layer, got, tt.want)
		}
	}
}

func TestMultipliers(t *testing.T) {
	for _, tt := range []struct{ params, want string }{
		{"", ""},
		{"param { } param { lr_mult: 1 }", ""},
		{"param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }", "1,2 D1,0"},
		{"param { lr_mult: 0 }", "0"},
		{"param { decay_mult: 0.5 }", "D0.5"},
	} {
		l := layers(t, `layer { name: "x" type: "InnerProduct" `+tt.params+` }`)[0].Param
		if got := Multipliers(l); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.params, got, tt.want)
		}
	}
}

// In any graph, nothing overlaps, edges go forward, and points are in the ranks
// between their ends.
func TestLayout(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		var all []Layer
		for i := range 1 + r.IntN(40) {
			name := fmt.Sprint("layer", i, strings.Repeat("x", r.IntN(30)))
			l := &caffepb.LayerParameter{Name: &name, Type: new(string), Top: []string{fmt.Sprint(i)}}
			for range r.IntN(4) {
				if i > 0 {
					l.Bottom = append(l.Bottom, fmt.Sprint(r.IntN(i)))
				}
			}
			all = append(all, Layer{Param: l})
		}
		g := New("random", all, Options{Direction: Directions[seed%4]})
		d := g.Layout()
		for _, way := range d.l.paths {
			for i, id := range way.nodes {
				if n := d.l.nodes[id]; n.rank != d.l.nodes[way.nodes[0]].rank+i {
					t.Fatalf("seed %d: step %d of an edge is in rank %d", seed, i, n.rank)
				}
			}
			if last := way.nodes[len(way.nodes)-1]; last != way.edge.to || len(way.nodes) < 2 {
				t.Fatalf("seed %d: an edge ends at %d", seed, last)
			}
		}
		seen := 0
		for _, rank := range d.l.ranks {
			for i, id := range rank {
				seen++
				n := d.l.nodes[id]
				if i > 0 {
					if before := d.l.nodes[rank[i-1]]; before.center+before.across/2 > n.center-n.across/2-pointGap+1e-6 {
						t.Fatalf("seed %d: nodes of rank %d overlap", seed, n.rank)
					}
				}
			}
		}
		if seen != len(d.l.nodes) {
			t.Fatalf("seed %d: %d of %d nodes are in ranks", seed, seen, len(d.l.nodes))
		}
		for i, b := range g.boxes {
			n := d.l.nodes[i]
			c := d.at(n.center, d.start[n.rank]+d.depth[n.rank]/2)
			if c.X-b.width()/2 < 0 || c.X+b.width()/2 > d.Width || c.Y-b.height()/2 < titleLine || c.Y+b.height()/2 > d.Height {
				t.Fatalf("seed %d: box %d is outside of the drawing", seed, i)
			}
		}
	}
}

// A shortcut beside a chain of boxes does not bend it, and is straight itself.
func TestStraight(t *testing.T) {
	text := `layer { name: "a" type: "Input" top: "a" }`
	last := "a"
	for i := range 20 {
		text += fmt.Sprintf(`layer { name: "b%d" type: "ReLU" bottom: "%s" top: "b%d" }`, i, last, i)
		last = fmt.Sprint("b", i)
	}
	text += `layer { name: "c" type: "Eltwise" bottom: "a" bottom: "b19" top: "c" }`
	d := New("n", layers(t, text), Options{Direction: "TB"}).Layout()
	for _, way := range d.l.paths {
		inside := way.nodes
		if len(inside) > 2 {
			inside = inside[1 : len(inside)-1]
		} else if inside[0] == 0 || way.edge.to == 21 {
			continue
		}
		for i := range inside[1:] {
			if a, b := d.l.nodes[inside[i]].center, d.l.nodes[inside[i+1]].center; a-b > 8 || b-a > 8 {
				t.Errorf("an edge bends by %g", a-b)
			}
		}
	}
}

func TestDOT(t *testing.T) {
	var got bytes.Buffer
	if err := New(`a"b`, layers(t, small)[2:6], Options{Direction: "LR"}).DOT(&got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"digraph \"a\\\"b\" {\n  rankdir=LR;\n",
		`<td bgcolor="#facdc8">conv<br/><font point-size="9">Convolution 3x3 20</font></td>`,
		`<font point-size="9">&lt;s&gt;</font>`,
		"  n0 -> n1;\n}\n",
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("it lacks %s:\n%s", want, &got)
		}
	}
}

func TestSVG(t *testing.T) {
	d := New("small", layers(t, small), Options{Direction: "TB"}).Layout()
	var svg bytes.Buffer
	if err := picture.Write(&svg, "svg", d.Width, d.Height, d.Draw); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">small</text>", ">conv</text>", ">Convolution 3x3 20</text>", ">&lt;s&gt;</text>", ">label</text>"} {
		if !strings.Contains(svg.String(), want) {
			t.Errorf("the drawing lacks %s", want)
		}
	}
	empty := New("empty", nil, Options{Direction: "LR"}).Layout()
	if err := picture.Write(&svg, "svg", empty.Width, empty.Height, empty.Draw); err != nil {
		t.Errorf("a net without layers: %v", err)
	}
}
