package net

import (
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/near"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// A checker finds the errors in the layers of a net that can be found before any
// of them is made.
type checker struct {
	file     *prototxt.Net
	layers   []*caffepb.LayerParameter // those that take part in the state
	state    *caffepb.NetState
	absent   map[string]string // from each top of the other layers to the layer
	wiring   wiring
	producer map[string]int // the layer above that produces each blob
	later    map[string]int // the first layer that produces each blob

	unknown      map[string][]*caffepb.LayerParameter // the layers of each unknown type
	unknownTypes []string                             // in the order of the file

	errs prototxt.ErrorList
}

// check returns the errors in the layers of a file that take part in a state.
func check(file *prototxt.Net, param []*caffepb.LayerParameter, state *caffepb.NetState) prototxt.ErrorList {
	c := &checker{
		file:     file,
		layers:   param,
		state:    state,
		absent:   make(map[string]string),
		wiring:   wire(param),
		producer: make(map[string]int),
		later:    make(map[string]int),
	}
	for i := len(param) - 1; i >= 0; i-- {
		for _, top := range param[i].Top {
			c.later[top] = i
		}
	}
	for _, layer := range file.Param.GetLayer() {
		c.rules(layer)
		for _, top := range layer.Top {
			if _, present := c.later[top]; !present {
				c.absent[top] = layer.GetName()
			}
		}
	}
	infos := make([]*layers.Info, len(param))
	for i, layer := range param {
		infos[i] = c.layerType(layer)
	}
	c.reportTypes()
	for i, layer := range param {
		c.errs = append(c.errs, prototxt.UnreadFields(layer, file.Positions)...)
		c.numbers(layer)
		c.bottoms(i, layer)
		c.tops(i, layer)
		if infos[i] != nil {
			c.counts(layer, infos[i])
		}
	}
	return c.errs
}

// errorf adds an error about a value of a field of a layer.
func (c *checker) errorf(layer *caffepb.LayerParameter, field string, index int, format string, args ...any) {
	c.errs = append(c.errs, &prototxt.Error{
		Pos:   position(c.file, layer, field, index),
		Layer: layer.GetName(),
		Err:   fmt.Errorf(format, args...),
	})
}

// position returns the position of a field, or as much of it as is known.
func position(file *prototxt.Net, layer *caffepb.LayerParameter, field string, index int) prototxt.Pos {
	at := file.Positions.Of(layer, field, index)
	if !at.IsValid() {
		at.File = file.File
	}
	return at
}

func (c *checker) rules(layer *caffepb.LayerParameter) {
	if len(layer.Include) > 0 && len(layer.Exclude) > 0 {
		c.errorf(layer, "exclude", 0, "has include and exclude rules, want only one kind")
	}
}

// layerType returns the registered type of a layer. For an unknown type it returns
// nil, and reportTypes reports it.
func (c *checker) layerType(layer *caffepb.LayerParameter) *layers.Info {
	if info := layers.Of(layer); info != nil {
		return info
	}
	typ := layer.GetType()
	if c.unknown == nil {
		c.unknown = make(map[string][]*caffepb.LayerParameter)
	}
	if c.unknown[typ] == nil {
		c.unknownTypes = append(c.unknownTypes, typ)
	}
	c.unknown[typ] = append(c.unknown[typ], layer)
	return nil
}

// reportTypes adds one error for each unknown type, with all its positions.
func (c *checker) reportTypes() {
	for _, typ := range c.unknownTypes {
		users := c.unknown[typ]
		if typ == "" {
			for _, layer := range users {
				c.errorf(layer, "", 0, "%w", layers.UnknownTypeOf(layer))
			}
			continue
		}
		also := c.places(users[1:])
		c.errorf(users[0], "type", 0, "%w%s", layers.UnknownTypeOf(users[0]), also)
	}
}

// places returns the names and lines of further layers with an unknown type, of many
// the lines only.
func (c *checker) places(users []*caffepb.LayerParameter) string {
	const most = 8
	var places []string
	for i, layer := range users {
		at := c.file.Positions.Of(layer, "type", 0)
		switch {
		case !at.IsValid():
			places = append(places, fmt.Sprintf("%q", layer.GetName()))
		case i < most:
			places = append(places, fmt.Sprintf("%q (line %d)", layer.GetName(), at.Line))
		default:
			places = append(places, fmt.Sprintf("line %d", at.Line))
		}
	}
	if len(places) == 0 {
		return ""
	}
	return "; also in " + strings.Join(places, ", ")
}

func (c *checker) bottoms(i int, layer *caffepb.LayerParameter) {
	for j, name := range layer.Bottom {
		if _, ok := c.wiring.sources[port{i, j}]; ok {
			continue
		}
		what := fmt.Sprintf("bottom %q is not the top of any layer above", name)
		if at, ok := c.later[name]; ok {
			what += fmt.Sprintf("; layer %q, which produces it, comes later", c.layers[at].GetName())
		} else if out, ok := c.absent[name]; ok {
			c.errorf(layer, "bottom", j, "%w", &StateError{Bottom: name, Layer: out, State: c.state})
			continue
		} else if nearest := c.nearestBlob(name); nearest != "" {
			what += fmt.Sprintf(", did you mean %q?", nearest)
		}
		c.errorf(layer, "bottom", j, "%s", what)
	}
}

// A StateError says that a layer reads a blob of a layer that is not part of the
// net in this phase, level and stages: the net may be for another state.
type StateError struct {
	Bottom string // the blob
	Layer  string // that produces it in another state
	State  *caffepb.NetState
}

// Error names the blob, the layer and the state.
func (e *StateError) Error() string {
	return fmt.Sprintf("bottom %q is not the top of any layer above; layer %q, which produces it, is not part of this net (%s)",
		e.Bottom, e.Layer, describeState(e.State))
}

// describeState returns "phase TEST, level 0, stages a and b".
func describeState(state *caffepb.NetState) string {
	stages := "no stages"
	var named []string
	for _, s := range state.GetStage() {
		if s != "" { // the program's --stage without a value
			named = append(named, fmt.Sprintf("%q", s))
		}
	}
	switch len(named) {
	case 0:
	case 1:
		stages = "stage " + named[0]
	default:
		stages = "stages " + strings.Join(named, ", ")
	}
	return fmt.Sprintf("phase %v, level %d, %s", state.GetPhase(), state.GetLevel(), stages)
}

// nearestBlob returns the name closest to the given one of the blobs produced
// above, or "" if none is close.
func (c *checker) nearestBlob(name string) string {
	var names []string
	for _, layer := range c.layers {
		for _, top := range layer.Top {
			if _, made := c.producer[top]; made {
				names = append(names, top)
			}
		}
	}
	return near.Name(name, names)
}

func (c *checker) tops(i int, layer *caffepb.LayerParameter) {
	for j, name := range layer.Top {
		first, made := c.producer[name]
		if !made {
			c.producer[name] = i
			continue
		}
		inPlace := j < len(layer.Bottom) && layer.Bottom[j] == name
		switch {
		case first == i:
			c.errorf(layer, "top", j, "top %q is listed twice", name)
		case !inPlace:
			c.errorf(layer, "top", j, "top %q is already a top of layer %q", name, c.layers[first].GetName())
		default:
			c.inPlace(i, j, layer)
		}
	}
}

// inPlace reports a top that is computed in place although something else uses the
// blob it overwrites.
func (c *checker) inPlace(i, j int, layer *caffepb.LayerParameter) {
	source, ok := c.wiring.sources[port{i, j}]
	if !ok || c.wiring.uses(source) < 2 {
		return
	}
	for _, reader := range c.wiring.readers[source] {
		if reader != (port{i, j}) {
			c.errorf(layer, "top", j, "top %q is computed in place, but layer %q also reads it; give the top another name",
				layer.Top[j], c.layers[reader.layer].GetName())
			return
		}
	}
	c.errorf(layer, "top", j, "top %q is computed in place, but it is also a loss of layer %q; give the top another name",
		layer.Top[j], c.layers[source.layer].GetName())
}

func (c *checker) counts(layer *caffepb.LayerParameter, info *layers.Info) {
	bottoms, tops := len(layer.Bottom), topCount(layer, info)
	if !info.Bottoms.Allows(bottoms) {
		c.errorf(layer, "bottom", len(layer.Bottom)-1, "has %s, type %s takes %v", count(bottoms, "bottom"), info.Type, info.Bottoms)
	}
	if !info.Tops.Allows(tops) {
		c.errorf(layer, "top", len(layer.Top)-1, "has %s, type %s produces %v", count(tops, "top"), info.Type, info.Tops)
	}
	if info.SameCount && bottoms != tops {
		c.errorf(layer, "top", len(layer.Top)-1, "has %s and %s, type %s produces one top for each bottom",
			count(bottoms, "bottom"), count(tops, "top"), info.Type)
	}
	if n := len(layer.PropagateDown); n != 0 && n != bottoms {
		c.errorf(layer, "propagate_down", n-1, "has %s, want none or one for each of the %s",
			count(n, "propagate_down value"), count(bottoms, "bottom"))
	}
	if n := len(layer.LossWeight); n != 0 && n != tops {
		c.errorf(layer, "loss_weight", n-1, "has %s, want none or one for each of the %s",
			count(n, "loss_weight value"), count(tops, "top"))
	}
}

// topCount returns the number of tops of a layer, including those that the net
// adds.
func topCount(layer *caffepb.LayerParameter, info *layers.Info) int {
	if info.Loss {
		return max(len(layer.Top), info.Tops.Min)
	}
	return len(layer.Top)
}

// count returns "no bottoms", "1 bottom", "2 bottoms".
func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
