package gocaffecmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
)

// A plannedLayer is a layer of a net's file, with its part of the net's plan.
type plannedLayer struct {
	param *caffepb.LayerParameter
	plan  *net.LayerPlan // nil if its shapes are not known
}

// buildForShapes builds a net with generated data instead of its data layers, for
// its shapes. absent are the errors about data that does not exist, wrong the others.
func (a *app) buildForShapes(file *prototxt.Net, state *caffepb.NetState, f *netFlags, synthetic *net.Synthetic, observer event.Observer) (n *net.Net, absent, wrong prototxt.ErrorList) {
	n, err := net.New(file, net.Options{
		State: state, Workers: a.workers, Synthetic: synthetic,
		Memory: new(net.Memory), ForwardOnly: state.GetPhase() == caffepb.Phase_TEST,
		NoPrograms: f.noPython, Observer: observer,
	})
	absent, wrong = sortErrors(err)
	return n, absent, wrong
}

// plannedLayers reads a net and returns its layers in a phase, or all of them if
// phase is "" or ALL. If shapes are not known, a note on stderr says why. total is the
// plan of the phase, the first of two; nil if it is not known.
func (a *app) plannedLayers(path, phase string, f *netFlags) (file *prototxt.Net, layers []plannedLayer, total *net.Plan, err error) {
	synthetic, err := f.generated()
	if err != nil {
		return nil, nil, nil, err
	}
	phases := []caffepb.Phase{caffepb.Phase_TRAIN, caffepb.Phase_TEST}
	all := phase == "" || strings.EqualFold(phase, "ALL")
	if !all {
		number, ok := caffepb.Phase_value[strings.ToUpper(phase)]
		if !ok {
			return nil, nil, nil, fmt.Errorf("--phase is %q, want TRAIN, TEST or ALL", phase)
		}
		phases = []caffepb.Phase{caffepb.Phase(number)}
	}
	if file, err = net.Read(path); err != nil {
		return nil, nil, nil, err
	}
	list := file.Param.Layer
	if !all {
		list = net.Filter(file.Param, netState(file.Param, phases[0], f.level, f.stages()))
	}
	plans := make(map[*caffepb.LayerParameter]*net.LayerPlan)
	var notes []error
	var unused *net.InputError
	for _, phase := range phases {
		state := netState(file.Param, phase, f.level, f.stages())
		n, absent, wrong := a.buildForShapes(file, state, f, synthetic, programOutput{a})
		if err := append(absent, wrong...).Err(); err != nil {
			notes = append(notes, fmt.Errorf("%w", err))
			continue
		}
		plan := n.Plan()
		if total == nil {
			total = plan
		}
		addPlans(plans, net.Filter(file.Param, state), plan)
		if err := n.Close(); err != nil {
			return nil, nil, nil, err
		}
	}
	if err := errors.Join(notes...); total == nil && errors.As(err, &unused) {
		return nil, nil, nil, distinct(notes)
	}
	known := true
	for _, l := range list {
		layers = append(layers, plannedLayer{l, plans[l]})
		known = known && plans[l] != nil
	}
	if err := distinct(notes); err != nil && !known {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(a.stderr, "note: shapes are not known: %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	return file, layers, total, nil
}

// addPlans adds the parts of a plan that belong to layers. The plan has further
// layers between them.
func addPlans(plans map[*caffepb.LayerParameter]*net.LayerPlan, layers []*caffepb.LayerParameter, plan *net.Plan) {
	for i := range plan.Layers {
		if p := &plan.Layers[i]; len(layers) > 0 && p.Name == layers[0].GetName() {
			if plans[layers[0]] == nil {
				plans[layers[0]] = p
			}
			layers = layers[1:]
		}
	}
}
