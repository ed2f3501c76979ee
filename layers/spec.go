package layers

import (
	"fmt"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// A Spec is what a layer is made from.
type Spec struct {
	// Param is the layer's part of the net, a copy of its own: a layer may
	// change it, as BatchNorm does with the multipliers of its blobs.
	Param *caffepb.LayerParameter
	// Env is shared by the layers of a net.
	Env *Env

	positions *prototxt.Positions
}

// NewSpec returns a Spec with a copy of param. Positions may be nil. What env
// leaves out is set to a usable value.
func NewSpec(param *caffepb.LayerParameter, env *Env, positions *prototxt.Positions) *Spec {
	own := proto.Clone(param).(*caffepb.LayerParameter)
	positions.Copied(param, own)
	env.Ranks = max(env.Ranks, 1)
	return &Spec{Param: own, Env: env, positions: positions}
}

// Dialect returns the dialect in which the type of the layer was read, "" for a type
// that is the same in all (prototxt.Dialect).
func (s *Spec) Dialect() string { return prototxt.DialectOf(s.Param) }

// Pos returns where a field was written, such as "convolution_param.pad", or
// else the place of the layer.
func (s *Spec) Pos(field string) prototxt.Pos { return s.positions.Of(s.Param, field, 0) }

// Errorf returns an error about a field of the layer, such as
// "convolution_param.pad", or about the layer as a whole if field is empty.
// The message says what is wrong, with the value got and the value wanted;
// place and layer are put in front of it.
func (s *Spec) Errorf(field, format string, args ...any) error {
	return s.ErrorAt(field, 0, fmt.Errorf(format, args...))
}

// ErrorAt is Errorf for a value of a repeated field, with a cause.
func (s *Spec) ErrorAt(field string, index int, err error) error {
	return &prototxt.Error{Pos: s.positions.Of(s.Param, field, index), Layer: s.Param.GetName(), Err: err}
}
