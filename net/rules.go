package net

import (
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
)

// filter returns the net as it is in the present state: without the layers
// whose rules say so. A layer with include rules takes part if one of them is
// met, a layer with exclude rules if none is. The layers are those of param,
// not copies.
func (n *Net) filter(param *caffepb.NetParameter) *caffepb.NetParameter {
	filtered := &caffepb.NetParameter{
		Name:          param.Name,
		ForceBackward: param.ForceBackward,
		State:         n.state,
		DebugInfo:     param.DebugInfo,
	}
	for _, layer := range param.Layer {
		if n.included(layer) {
			filtered.Layer = append(filtered.Layer, layer)
		}
	}
	return filtered
}

func (n *Net) included(layer *caffepb.LayerParameter) bool {
	meets := func(rule *caffepb.NetStateRule) bool { return n.meets(rule, layer.GetName()) }
	if len(layer.Include) > 0 {
		return slices.ContainsFunc(layer.Include, meets)
	}
	return !slices.ContainsFunc(layer.Exclude, meets)
}

// meets tells whether the state of the net meets a rule, and logs why not.
func (n *Net) meets(rule *caffepb.NetStateRule, layer string) bool {
	if rule.Phase != nil && rule.GetPhase() != n.state.GetPhase() {
		n.logf("net.cpp:296", "The NetState phase (%d) differed from the phase (%d) specified by a rule in layer %s",
			n.state.GetPhase(), rule.GetPhase(), layer)
		return false
	}
	if rule.MinLevel != nil && n.state.GetLevel() < rule.GetMinLevel() {
		n.logf("net.cpp:306", "The NetState level (%d) is above the min_level (%d) specified by a rule in layer %s",
			n.state.GetLevel(), rule.GetMinLevel(), layer)
		return false
	}
	if rule.MaxLevel != nil && n.state.GetLevel() > rule.GetMaxLevel() {
		n.logf("net.cpp:316", "The NetState level (%d) is above the max_level (%d) specified by a rule in layer %s",
			n.state.GetLevel(), rule.GetMaxLevel(), layer)
		return false
	}
	for _, stage := range rule.Stage {
		if !slices.Contains(n.state.GetStage(), stage) {
			n.logf("net.cpp:332", "The NetState did not contain stage '%s' specified by a rule in layer %s", stage, layer)
			return false
		}
	}
	for _, stage := range rule.NotStage {
		if slices.Contains(n.state.GetStage(), stage) {
			n.logf("net.cpp:347", "The NetState contained a not_stage '%s' specified by a rule in layer %s", stage, layer)
			return false
		}
	}
	return true
}

// Filter returns the layers of p that take part in a net of the given state,
// as they are in p. Without a state it is Caffe's default, phase TEST.
func Filter(p *caffepb.NetParameter, state *caffepb.NetState) []*caffepb.LayerParameter {
	return (&Net{state: state}).filter(p).Layer
}
