package deploy

import (
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"google.golang.org/protobuf/proto"
)

// isData reports whether a layer feeds data into the net.
func isData(l *net.Layer) bool { return l.Info.Group == "data" && len(l.BottomNames) == 0 }

// readsAhead reports whether a data layer takes its data from outside of the
// program, in batches.
func (n *node) readsAhead() bool {
	t := n.param.GetType()
	return t != "Input" && t != "DummyData"
}

// rewrite finds the replacement of each layer. Layers that turn out not to be
// needed may be of any type.
func (d *deployer) rewrite() error {
	for _, n := range d.nodes {
		if err := d.rewriteNode(n); err != nil {
			return err
		}
		n.used = make([]bool, len(n.out))
	}
	return nil
}

func (d *deployer) rewriteNode(n *node) error {
	typ := n.param.GetType()
	end, isEnd := endings[typ]
	deployer, deploys := n.layer.Impl.(layers.Deployer)
	switch {
	case isData(n.layer):
		n.role = dataRole
	case isEnd && end.becomes != "":
		d.becomes(n, end.becomes)
	case isEnd:
		n.role = removed
	case deploys:
		out, err := deployer.Deploy(n.param)
		if err != nil {
			return d.errorAt(n.param, "", 0, "type %s cannot be deployed: %w", typ, err)
		}
		for i, l := range out {
			out[i] = proto.Clone(l).(*caffepb.LayerParameter) // for it may have slices of param
			if !caffeTypes[l.GetType()] {
				return d.errorAt(n.param, "type", 0, "type %s wants to be deployed as %s, which stock Caffe does not know either", typ, l.GetType())
			}
		}
		n.role, n.out = replaced, out
	case n.layer.Info.Loss && !caffeTypes[typ]:
		n.role = removed
	default:
		n.out = []*caffepb.LayerParameter{n.stock()}
	}
	return nil
}

// stock returns the layer under the name that stock Caffe has for it, if it has one: that
// of an alias (layers.Alias), or the one that the layer has given itself when it was made.
func (n *node) stock() *caffepb.LayerParameter {
	own := n.layer.Param
	switch {
	case caffeTypes[n.param.GetType()]:
	case caffeTypes[n.layer.Info.Type]:
		p := proto.Clone(n.param).(*caffepb.LayerParameter)
		p.Type = proto.String(n.layer.Info.Type)
		return p
	case caffeTypes[own.GetType()]:
		p := proto.Clone(own).(*caffepb.LayerParameter)
		p.Bottom, p.Top, p.Blobs = n.param.Bottom, n.param.Top, n.param.Blobs
		return p
	}
	return n.param
}

// becomes replaces a loss by a layer that computes probabilities, unless the
// net already has such a layer.
func (d *deployer) becomes(n *node, typ string) {
	n.role = replaced
	for _, other := range d.nodes {
		if other.param.GetType() == typ && other.param.Bottom[0] == n.param.Bottom[0] &&
			other.param.GetSoftmaxParam().GetAxis() == n.param.GetSoftmaxParam().GetAxis() {
			n.same = other.param.Top[0]
			return
		}
	}
	n.out = []*caffepb.LayerParameter{probabilities(n.param, typ)}
}

// probabilities returns the layer that turns the scores of a loss into
// probabilities. If the loss names them, they keep that name.
func probabilities(loss *caffepb.LayerParameter, typ string) *caffepb.LayerParameter {
	name := "prob"
	if len(loss.Top) > 1 {
		name = loss.Top[1]
	}
	l := &caffepb.LayerParameter{
		Name:   proto.String(name),
		Type:   proto.String(typ),
		Bottom: []string{loss.Bottom[0]},
		Top:    []string{name},
	}
	if p := loss.SoftmaxParam; p != nil && typ == "Softmax" {
		l.SoftmaxParam = proto.Clone(p).(*caffepb.SoftmaxParameter)
	}
	return l
}

// trace finds which blobs depend on weights and on labels.
func (d *deployer) trace() {
	d.weighted, d.labels, d.labelled = make(map[string]bool), make(map[string]bool), make(map[string]bool)
	read := make(map[string]bool) // by layers that are no endings
	for _, n := range d.nodes {
		for _, l := range n.out {
			for _, bottom := range l.Bottom {
				read[bottom] = true
			}
		}
	}
	for _, n := range d.nodes {
		d.traceWeights(n)
		if labelSecond[n.param.GetType()] && len(n.param.Top) > 1 {
			d.labels[n.param.Top[1]] = true
		}
	}
	for _, n := range d.nodes {
		for _, i := range n.ending().labels {
			// A blob that other layers read as well is not just a label: an
			// autoencoder's input is what its output is compared with.
			if name := n.bottom(i); d.isInput(name) && !read[name] {
				d.labels[name] = true
			}
		}
	}
	for name := range d.labels {
		d.labelled[name] = true
	}
	for _, n := range d.nodes {
		for _, l := range n.out {
			if slices.ContainsFunc(l.Bottom, func(b string) bool { return d.labelled[b] }) {
				for _, top := range l.Top {
					d.labelled[top] = true
				}
			}
		}
	}
}

func (d *deployer) traceWeights(n *node) {
	weighted := len(n.layer.Params) > 0
	for _, bottom := range n.param.Bottom {
		weighted = weighted || d.weighted[bottom]
	}
	tops := n.param.Top
	for _, l := range n.out {
		tops = append(tops[:len(tops):len(tops)], l.Top...)
	}
	for _, top := range tops {
		d.weighted[top] = d.weighted[top] || weighted
	}
}

// ending returns what becomes of a layer at the end of the net.
func (n *node) ending() ending {
	if end, ok := endings[n.param.GetType()]; ok {
		return end
	}
	if n.layer.Info.Loss {
		return aPluginsLoss
	}
	return ending{}
}

// bottom returns the name of a bottom, or "" if the layer does not have it.
func (n *node) bottom(i int) string {
	if i < len(n.param.Bottom) {
		return n.param.Bottom[i]
	}
	return ""
}

// isInput reports whether a blob comes from a data layer.
func (d *deployer) isInput(name string) bool {
	return slices.ContainsFunc(d.nodes, func(n *node) bool {
		return n.role == dataRole && slices.Contains(n.param.Top, name)
	})
}
