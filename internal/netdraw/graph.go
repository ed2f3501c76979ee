// Package netdraw draws nets as graphs: boxes of layers, from which blobs go to other
// boxes.
package netdraw

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/texttable"
)

// A Layer is a layer to draw.
type Layer struct {
	Param *caffepb.LayerParameter
	Tops  [][]int // shapes; nil if they are not known
}

// Options say how a net is drawn.
type Options struct {
	Direction   string // of the data: TB (down), BT, LR (right) or RL
	Multipliers bool   // show learning rates and decays of weights
	ShowPhases  bool   // show which layers are part of one phase only
}

// Directions are the values of Options.Direction.
var Directions = []string{"TB", "BT", "LR", "RL"}

// A Graph is a net to draw.
type Graph struct {
	name  string
	o     Options
	boxes []*box
	edges []edge
}

// A box is a layer, with those that work in place on its top.
type box struct {
	rows []row
	tops []string // lines that name and size what leaves the box
}

// A row is a layer in its box.
type row struct {
	name, text string // text has the type and options
	kind       kind
}

// An edge is a blob's way between boxes.
type edge struct {
	from, to int // boxes
	blob     string
}

// A kind of layers has a color of its own.
type kind int

const (
	other kind = iota
	input
	weighted // layers with products: convolution, inner product
	pooling
	neuron // elementwise maps and normalization
	joining
	lossKind
)

// New returns the graph of layers, which are in the order of the net's file. Layers of
// different phases may be among them.
func New(name string, all []Layer, o Options) *Graph {
	g := &Graph{name: name, o: o}
	type source struct {
		box int
		in  phases
	}
	sources := make(map[string][]source) // of blobs, by name
	feeding := func(blob string, in phases) []source {
		return slices.DeleteFunc(slices.Clone(sources[blob]), func(s source) bool { return s.in&in == 0 })
	}
	for _, l := range all {
		p, in := l.Param, phasesOf(l.Param)
		r := row{name: p.GetName(), text: strings.TrimSpace(p.GetType() + " " + Kernel(p)), kind: kindOf(p)}
		if in != both && o.ShowPhases {
			r.text += fmt.Sprintf(" (%v)", in)
		}
		if m := Multipliers(p); o.Multipliers && m != "" {
			r.text += ", lr " + m
		}
		if inPlace(p) {
			if from := feeding(p.Bottom[0], in); len(from) == 1 {
				b := g.boxes[from[0].box]
				b.rows = append(b.rows, r)
				continue
			}
		}
		n := len(g.boxes)
		g.boxes = append(g.boxes, &box{rows: []row{r}, tops: topLines(l)})
		for _, bottom := range p.Bottom {
			for _, s := range feeding(bottom, in) {
				if e := (edge{s.box, n, bottom}); !slices.Contains(g.edges, e) {
					g.edges = append(g.edges, e)
				}
			}
		}
		for _, top := range p.Top {
			// What had this name in all phases of this layer is covered.
			sources[top] = append(slices.DeleteFunc(sources[top], func(s source) bool { return s.in&^in == 0 }), source{n, in})
		}
	}
	return g
}

// topLines returns the names of a layer's tops, apart from its own name, and their
// shapes.
func topLines(l Layer) []string {
	var lines []string
	for i, top := range l.Param.Top {
		line := ""
		if top != l.Param.GetName() {
			line = top
		}
		if i < len(l.Tops) {
			line = strings.TrimSpace(line + "  " + texttable.Shape(l.Tops[i]))
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// phases are the phases that a layer may be part of.
type phases int

const (
	train phases = 1 << caffepb.Phase_TRAIN
	test  phases = 1 << caffepb.Phase_TEST
	both         = train | test
)

func (p phases) String() string {
	return map[phases]string{train: "TRAIN", test: "TEST", both: "ALL", 0: "NONE"}[p]
}

// phasesOf returns the phases that the rules of a layer allow.
func phasesOf(p *caffepb.LayerParameter) phases {
	in := both
	if len(p.Include) > 0 {
		in = 0
		for _, rule := range p.Include {
			in |= phasesOfRule(rule)
		}
	}
	for _, rule := range p.Exclude {
		if rule.Phase != nil && rule.MinLevel == nil && rule.MaxLevel == nil && len(rule.Stage)+len(rule.NotStage) == 0 {
			in &^= phasesOfRule(rule)
		}
	}
	return in
}

func phasesOfRule(rule *caffepb.NetStateRule) phases {
	if rule.Phase == nil {
		return both
	}
	return 1 << rule.GetPhase()
}

// inPlace reports whether a layer changes its only bottom.
func inPlace(p *caffepb.LayerParameter) bool {
	return len(p.Bottom) == 1 && len(p.Top) == 1 && p.Bottom[0] == p.Top[0]
}

// kindOf returns the kind of a layer by what it has and by its type's name, which may
// be that of a plugin.
func kindOf(p *caffepb.LayerParameter) kind {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(p.GetType(), w) })
	}
	switch {
	case len(p.Bottom) == 0:
		return input
	case has("Loss", "Accuracy"):
		return lossKind
	case has("Convolution", "InnerProduct", "Deconvolution", "Embed", "LSTM", "RNN"):
		return weighted
	case has("Pool"):
		return pooling
	case has("Concat", "Eltwise"):
		return joining
	case inPlace(p), has("ReLU", "Sigmoid", "TanH", "Dropout", "BatchNorm", "Scale", "LRN", "Normalize", "ELU", "Softmax", "Power", "Exp", "Log", "AbsVal", "BNLL"):
		return neuron
	}
	return other
}
