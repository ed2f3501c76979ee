package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// choose finds the results and marks the layers that they need.
func (d *deployer) choose() error {
	d.results, d.needed = make(map[string]bool), make(map[string]bool)
	for _, n := range d.nodes {
		d.require(d.resultsOf(n, false))
	}
	for _, o := range d.net.Outputs() {
		if o.LossWeight == 0 && d.weighted[o.Name] && !d.labelled[o.Name] && d.isMade(o.Name) {
			d.require([]string{o.Name})
		}
	}
	// Later layers first: a loss beside the net may compare features that other
	// results already need.
	for _, n := range slices.Backward(d.nodes) {
		for _, name := range d.resultsOf(n, true) {
			if !d.needed[name] {
				d.require([]string{name})
			}
		}
	}
	if len(d.results) == 0 { // a net without weights
		for _, o := range d.net.Outputs() {
			if o.LossWeight == 0 && !d.labelled[o.Name] && d.isMade(o.Name) {
				d.require([]string{o.Name})
			}
		}
	}
	if len(d.results) == 0 {
		return fmt.Errorf("%s: the net has no output in phase TEST but losses and labels, so there is nothing to deploy", d.file.File)
	}
	d.trainLosses()
	return d.refuse()
}

// resultsOf returns the blobs that the net computes for a layer at its end:
// those that are always results, or those of losses beside the net.
func (d *deployer) resultsOf(n *node, aside bool) []string {
	end := n.ending()
	switch {
	case n.same != "" && !aside:
		return []string{n.same}
	case n.role == replaced && n.layer.Info.Loss && !aside:
		return ends(n.out)
	case n.role == removed && end.aside == aside:
		var names []string
		for _, i := range end.results {
			names = append(names, d.unlabelled(n.bottom(i))...)
		}
		return names
	case n.role == kept && aside && slices.ContainsFunc(n.param.LossWeight, func(w float32) bool { return w != 0 }):
		// A loss built from ordinary layers: what it compares is the result.
		var names []string
		for _, bottom := range n.param.Bottom {
			names = append(names, d.unlabelled(bottom)...)
		}
		return names
	}
	return nil
}

// ends returns the blobs that no layer reads after they were last computed.
func ends(all []*caffepb.LayerParameter) []string {
	var names []string
	for _, l := range all {
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(l.Bottom, name) })
		names = append(names, l.Top...)
	}
	return names
}

// unlabelled returns the blob if it depends on weights and not on labels;
// otherwise those of its inputs that do.
func (d *deployer) unlabelled(name string) []string {
	return d.unlabelledOf(name, make(map[string]bool))
}

func (d *deployer) unlabelledOf(name string, seen map[string]bool) []string {
	if seen[name] || !d.weighted[name] {
		return nil
	}
	seen[name] = true
	if !d.labelled[name] {
		return []string{name}
	}
	var names []string
	for _, n := range d.nodes {
		for _, l := range n.out {
			if slices.Contains(l.Top, name) {
				for _, bottom := range l.Bottom {
					names = append(names, d.unlabelledOf(bottom, seen)...)
				}
			}
		}
	}
	return names
}

// isMade reports whether a layer that may be deployed computes the blob.
func (d *deployer) isMade(name string) bool {
	return slices.ContainsFunc(d.nodes, func(n *node) bool {
		return slices.ContainsFunc(n.out, func(l *caffepb.LayerParameter) bool { return slices.Contains(l.Top, name) })
	})
}

// require adds results and marks what they need.
func (d *deployer) require(names []string) {
	for _, name := range names {
		d.results[name], d.needed[name] = true, true
	}
	for _, n := range slices.Backward(d.nodes) {
		for i, l := range slices.Backward(n.out) {
			if slices.ContainsFunc(l.Top, func(top string) bool { return d.needed[top] }) {
				n.used[i] = true
				for _, bottom := range l.Bottom {
					d.needed[bottom] = true
				}
			}
		}
	}
}

// trainLosses turns scores at the end of the TEST net into probabilities if the
// file has their loss for phase TRAIN only.
func (d *deployer) trainLosses() {
	state := proto.Clone(d.opts.State).(*caffepb.NetState)
	state.Phase = caffepb.Phase_TRAIN.Enum()
	for _, l := range net.Filter(d.file.Param, state) {
		typ := endings[l.GetType()].becomes
		if typ == "" || !d.results[l.Bottom[0]] || d.reads(l.Bottom[0]) ||
			slices.ContainsFunc(d.nodes, func(n *node) bool { return n.param == l }) {
			continue
		}
		prob := probabilities(l, typ)
		d.nodes = append(d.nodes, &node{
			param: l,
			layer: &net.Layer{Info: layers.Of(l)},
			role:  replaced,
			out:   []*caffepb.LayerParameter{prob},
			used:  []bool{true},
		})
		d.needed[prob.Top[0]], d.results[prob.Top[0]] = true, true
	}
}

// reads reports whether a layer of the deployed net reads a blob and does not
// work in place.
func (d *deployer) reads(name string) bool {
	for _, n := range d.nodes {
		for i, l := range n.out {
			if n.used[i] && slices.Contains(l.Bottom, name) && !slices.Contains(l.Top, name) {
				return true
			}
		}
	}
	return false
}

// refuse returns an error for the layers that cannot be in a deployed net.
func (d *deployer) refuse() error {
	var errs prototxt.ErrorList
	for _, n := range d.nodes {
		typ, p := n.param.GetType(), n.param.GetScaleParam()
		if n.role != kept || !n.isUsed() {
			continue
		}
		switch {
		case !caffeTypes[n.out[0].GetType()]:
			errs = append(errs, d.errorAt(n.param, "type", 0,
				"stock Caffe does not know type %s, and its plugin does not say what stands for it in a deployed net", typ))
		case typ == "Scale" && len(n.param.Bottom) > 1 && p != nil && (p.MinValue != nil || p.MaxValue != nil):
			errs = append(errs, d.errorAt(n.param, "scale_param", 0, "the Scale of stock Caffe has no min_value and max_value for the factors of a bottom"))
		case typ == "InnerProduct" && len(n.param.Bottom) > 1:
			errs = append(errs, d.errorAt(n.param, "bottom", 1, "the InnerProduct of stock Caffe cannot take its weights from a bottom"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.labels)) {
		if !d.needed[name] {
			continue
		}
		for _, n := range d.nodes {
			for i, l := range n.out {
				if j := slices.Index(l.Bottom, name); n.used[i] && j >= 0 {
					errs = append(errs, d.errorAt(n.param, "bottom", j,
						"reads the label %q and is needed for %s; a deployed net has no labels", name, d.resultNames()))
				}
			}
		}
	}
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	errs.Sort()
	return errs
}

func (d *deployer) resultNames() string {
	return strings.Join(slices.Sorted(maps.Keys(d.results)), ", ")
}

// rename gives new blobs of the deployed net, such as "prob", other names if
// the net already uses these names.
func (d *deployer) rename() {
	type added struct {
		n *node
		l *caffepb.LayerParameter
		j int
	}
	var all []added
	times := make(map[string]int)
	for _, n := range d.nodes {
		for i, l := range n.out {
			if !n.used[i] {
				continue
			}
			for j, top := range l.Top {
				if !slices.Contains(l.Bottom, top) {
					times[top]++
				}
				if l != n.param && !slices.Contains(n.param.Top, top) && !slices.Contains(l.Bottom, top) {
					all = append(all, added{n, l, j})
				}
			}
			if l == n.param && !slices.Contains(l.Top, l.GetName()) {
				times[l.GetName()]++
			}
		}
		if n.role == dataRole {
			for _, top := range n.param.Top {
				times[top]++
			}
		}
	}
	for _, a := range all {
		old := a.l.Top[a.j]
		if times[old] < 2 {
			continue
		}
		name := old + "_" + a.n.param.GetName()
		for _, l := range a.n.out {
			if l.GetName() == old {
				l.Name = proto.String(name)
			}
			for i, bottom := range l.Bottom {
				if bottom == old && l != a.l && l != a.n.param {
					l.Bottom[i] = name
				}
			}
		}
		a.l.Top[a.j] = name
	}
}
