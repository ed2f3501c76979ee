package net

import (
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
)

// filter returns the net in its state: only with the layers that take part. A layer
// with include rules takes part if one of them is met, a layer with exclude rules
// if none is. The layers are those in param, not copies.
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

// included reports whether a layer takes part in the state of the net.
func (n *Net) included(layer *caffepb.LayerParameter) bool {
	meets := func(rule *caffepb.NetStateRule) bool { return n.meets(rule, layer.GetName()) }
	if len(layer.Include) > 0 {
		return slices.ContainsFunc(layer.Include, meets)
	}
	return !slices.ContainsFunc(layer.Exclude, meets)
}

// meets reports whether the state of the net meets a rule of a layer. If it does
// not, it sends RuleNotMet.
func (n *Net) meets(rule *caffepb.NetStateRule, layer string) bool {
	field, stage := unmet(n.state, rule)
	if field == "" {
		return true
	}
	event.Send(n.observer, RuleNotMet{Layer: layer, State: n.state, Rule: rule, Field: field, Stage: stage})
	return false
}

// unmet returns the first field of a rule that a state does not meet and, if it
// is a list of stages, the stage at fault. It returns "" if all are met.
func unmet(state *caffepb.NetState, rule *caffepb.NetStateRule) (field, stage string) {
	switch {
	case rule.Phase != nil && rule.GetPhase() != state.GetPhase():
		return "phase", ""
	case rule.MinLevel != nil && state.GetLevel() < rule.GetMinLevel():
		return "min_level", ""
	case rule.MaxLevel != nil && state.GetLevel() > rule.GetMaxLevel():
		return "max_level", ""
	}
	for _, stage := range rule.Stage {
		if !slices.Contains(state.GetStage(), stage) {
			return "stage", stage
		}
	}
	for _, stage := range rule.NotStage {
		if slices.Contains(state.GetStage(), stage) {
			return "not_stage", stage
		}
	}
	return "", ""
}

// Filter returns the layers in p, not copies, that take part in a net of the given
// state. If state is nil, the phase is Caffe's default, TEST.
func Filter(p *caffepb.NetParameter, state *caffepb.NetState) []*caffepb.LayerParameter {
	return (&Net{state: state}).filter(p).Layer
}
