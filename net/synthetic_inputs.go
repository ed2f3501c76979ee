package net

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
)

// An InputError is returned for a shape or a batch size in Options.Synthetic that no layer
// of the net takes.
type InputError struct{ text string }

// Error says what is not taken.
func (e *InputError) Error() string { return e.text }

// shapeInput gives an Input layer the shapes and the batch size in the options, if
// Synthetic.Inputs is set. param is the layer's own copy.
func (b *builder) shapeInput(param *caffepb.LayerParameter) error {
	o, old := b.opts.Synthetic, param.GetInputParam().GetShape()
	if o == nil || !o.Inputs || param.GetType() != "Input" || len(old) > 1 && len(old) != len(param.Top) {
		return nil // the layer refuses another number of shapes
	}
	var shapes []*caffepb.BlobShape
	for j := range param.Top {
		var dims []int64
		if len(old) > 0 {
			dims = slices.Clone(old[min(j, len(old)-1)].GetDim())
		}
		item, err := b.inputItem(param, j, len(old) > 0)
		if err != nil {
			return err
		}
		batch := int64(o.Batch)
		if batch == 0 && len(dims) > 0 {
			batch = dims[0]
		}
		switch {
		case item == nil && len(old) == 0 && j == 0 && o.Batch == 0:
			return nil // the program gives the tops their shapes
		case item == nil && len(old) == 0 && j == 0:
			return fmt.Errorf("the batch size is %d, and the shape of an item is not in the file: give it too", o.Batch)
		case item == nil && len(old) > 0:
			if len(dims) > 0 {
				dims[0] = batch
			}
		case batch <= 0:
			return fmt.Errorf("the batch size of synthetic data is %d, want 1 or more", batch)
		default:
			dims = []int64{batch}
			for _, n := range item {
				dims = append(dims, int64(n))
			}
		}
		shapes = append(shapes, &caffepb.BlobShape{Dim: dims})
	}
	b.batchTaken = true
	param.InputParam = &caffepb.InputParameter{Shape: shapes}
	return nil
}

// inputItem returns the shape of an item of top j of an Input layer in the options, or nil.
// A layer with shapes in the file leaves Synthetic.Shape to the one before it.
func (b *builder) inputItem(param *caffepb.LayerParameter, j int, hasShape bool) ([]int, error) {
	if j > 0 {
		return b.namedShape(param.Top[j]), nil
	}
	shape, err := b.itemShape(param)
	if hasShape {
		return shape, nil
	}
	return shape, err
}

// namedShape returns the shape that Synthetic.Named has for a name, or nil.
func (b *builder) namedShape(name string) []int {
	shape, ok := b.opts.Synthetic.Named[name]
	if !ok {
		return nil
	}
	b.namesTaken[name] = true
	return append([]int{}, shape...)
}

// checkTaken returns an error if no layer takes a shape or the batch size in the options.
func (b *builder) checkTaken() error {
	o := b.opts.Synthetic
	if o == nil || !o.Inputs {
		return nil
	}
	var left []string
	if o.Shape != nil && b.shapeTaken == "" {
		left = append(left, fmt.Sprintf("the input shape %v", o.Shape))
	}
	if o.Batch > 0 && !b.batchTaken {
		left = append(left, fmt.Sprintf("the batch size %d", o.Batch))
	}
	if left != nil {
		at := slices.IndexFunc(b.layers, func(l *Layer) bool { return len(l.source.Bottom) == 0 })
		return b.notTaken(at, strings.Join(left, " and "))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Named)) {
		if b.namesTaken[name] {
			continue
		}
		names := func(l *caffepb.LayerParameter) bool {
			return l.GetName() == name || slices.Contains(l.Top, name)
		}
		at := slices.IndexFunc(b.layers, func(l *Layer) bool { return names(l.source) })
		if at < 0 && slices.ContainsFunc(b.file.Param.Layer, names) {
			continue // it is for another phase
		}
		return b.notTaken(at, fmt.Sprintf("the input shape %s=%v", name, o.Named[name]))
	}
	return nil
}

// notTaken returns the error about what layer i, or no layer if it is negative, takes.
func (b *builder) notTaken(i int, what string) error {
	if i < 0 {
		return &prototxt.Error{Pos: prototxt.Pos{File: b.file.File}, Err: &InputError{what + " is for no layer: want the name of a data layer or an input, or of a top of one"}}
	}
	l := b.layers[i]
	return l.wrapIn(b.file, &InputError{fmt.Sprintf("%s is for data layers and inputs, and type %s takes no shape but that in the file", what, l.Type)})
}
