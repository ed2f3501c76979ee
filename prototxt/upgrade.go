package prototxt

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
)

// UpgradeNet upgrades a net of any version to the current format, like
// UpgradeNetAsNeeded in Caffe's upgrade_proto.cpp, and returns the lines that Caffe
// would log. It moves messages instead of copying them, so pos, which may be nil, stays
// valid; new messages get the positions of the old layers. The error is an ErrorList.
//
// Differs from Caffe: a net with both "layer" and "layers" is an error, as is
// one with V0 and other layers among its "layers". Caffe drops some of the
// layers, or their contents.
func UpgradeNet(file string, p *caffepb.NetParameter, pos *Positions) ([]Note, error) {
	if pos == nil {
		pos = NewPositions()
	}
	u := &upgrader{file: file, pos: pos}
	u.net(p)
	u.errs.Sort()
	if err := u.errs.Err(); err != nil {
		return nil, err
	}
	return u.notes, nil
}

// An upgrader collects the notes and errors of an upgrade.
type upgrader struct {
	file  string
	pos   *Positions
	notes []Note
	errs  ErrorList
}

// note adds a log line of the given line of upgrade_proto.cpp.
func (u *upgrader) note(level event.Level, line int, format string, args ...any) {
	u.notes = append(u.notes, Note{Level: level, Source: fmt.Sprintf("upgrade_proto.cpp:%d", line), Text: fmt.Sprintf(format, args...)})
}

// errorAt reports an error at a value of m; see Positions.Of.
func (u *upgrader) errorAt(m proto.Message, path string, index int, layer string, format string, args ...any) {
	at := u.pos.Of(m, path, index)
	if at.File == "" {
		at.File = u.file
	}
	u.errs = append(u.errs, &Error{Pos: at, Layer: layer, Err: fmt.Errorf(format, args...)})
}

// made records the position of a new message in a field of m.
func (u *upgrader) made(m proto.Message, field protoreflect.Name, message proto.Message, at Pos) {
	u.pos.SetMessage(message, at)
	u.pos.AddField(m, field, at)
}

func (u *upgrader) net(p *caffepb.NetParameter) {
	if len(p.Layer) > 0 && len(p.Layers) > 0 {
		u.errorAt(p.Layers[0], "", 0, "", `the net has both "layers" and "layer", of which "layers" is an old form; write all of them as "layer"`)
		return
	}
	if isV0(p) {
		u.note(event.Info, 28, "Attempting to upgrade input file specified using deprecated V0LayerParameter: %s", u.file)
		compatible := u.v0Net(p)
		if len(u.errs) > 0 {
			return
		}
		if compatible {
			u.note(event.Info, 36, "Successfully upgraded file specified using deprecated V0LayerParameter")
		} else {
			u.note(event.Error, 33, "Warning: had one or more problems upgrading V0NetParameter to NetParameter (see above); continuing anyway.")
		}
		u.note(event.Warning, 39, "Note that future Caffe releases will not support V0NetParameter; use ./build/tools/upgrade_net_proto_text for "+
			"prototxt and ./build/tools/upgrade_net_proto_binary for model weights upgrade this and any other net protos to the new format.")
	}
	if hasOldTransforms(p) {
		u.note(event.Info, 46, "Attempting to upgrade input file specified using deprecated transformation parameters: %s", u.file)
		u.transforms(p)
		u.note(event.Info, 49, "Successfully upgraded file specified using deprecated data transformation parameters.")
		u.note(event.Warning, 51, "Note that future Caffe releases will only support transform_param messages for transformation fields.")
	}
	if len(p.Layers) > 0 {
		u.note(event.Info, 55, "Attempting to upgrade input file specified using deprecated V1LayerParameter: %s", u.file)
		u.v1Net(p)
		u.note(event.Info, 63, "Successfully upgraded file specified using deprecated V1LayerParameter")
	}
	if len(p.Input) > 0 {
		u.note(event.Info, 69, "Attempting to upgrade input file specified using deprecated input fields: %s", u.file)
		u.inputs(p)
		u.note(event.Info, 72, "Successfully upgraded file specified using deprecated input fields.")
		u.note(event.Warning, 74, "Note that future Caffe releases will only support input layers and not input fields.")
	}
	if hasOldBatchNorm(p) {
		u.note(event.Info, 79, "Attempting to upgrade batch norm layers using deprecated params: %s", u.file)
		fixBatchNorm(p)
		u.note(event.Info, 82, "Successfully upgraded batch norm layers using deprecated params.")
	}
}

// oldTransforms are the fields of DataParameter, ImageDataParameter and
// WindowDataParameter that are TransformationParameter's now.
var oldTransforms = []protoreflect.Name{"scale", "mean_file", "crop_size", "mirror"}

// dataParam returns the field with the parameters of a data layer that may have
// oldTransforms, or nil if the layer has another type.
func dataParam(l *caffepb.V1LayerParameter) protoreflect.FieldDescriptor {
	if l.Type == nil {
		return nil
	}
	fields := l.ProtoReflect().Descriptor().Fields()
	switch l.GetType() {
	case caffepb.V1LayerParameter_DATA:
		return fields.ByName("data_param")
	case caffepb.V1LayerParameter_IMAGE_DATA:
		return fields.ByName("image_data_param")
	case caffepb.V1LayerParameter_WINDOW_DATA:
		return fields.ByName("window_data_param")
	}
	return nil
}

func hasOldTransforms(p *caffepb.NetParameter) bool {
	for _, l := range p.Layers {
		if field := dataParam(l); field != nil {
			param := l.ProtoReflect().Get(field).Message()
			for _, name := range oldTransforms {
				if param.Has(param.Descriptor().Fields().ByName(name)) {
					return true
				}
			}
		}
	}
	return false
}

// transforms moves oldTransforms to transform_param. Like Caffe, it leaves a
// transform_param in every data layer, even an empty one.
func (u *upgrader) transforms(p *caffepb.NetParameter) {
	for _, l := range p.Layers {
		field := dataParam(l)
		if field == nil {
			continue
		}
		if l.TransformParam == nil {
			l.TransformParam = new(caffepb.TransformationParameter)
			u.made(l, "transform_param", l.TransformParam, u.pos.Of(l, string(field.Name()), 0))
		}
		from, to := l.ProtoReflect().Mutable(field).Message(), l.TransformParam.ProtoReflect()
		for _, name := range oldTransforms {
			source, target := from.Descriptor().Fields().ByName(name), to.Descriptor().Fields().ByName(name)
			if from.Has(source) {
				to.Set(target, from.Get(source))
				from.Clear(source)
				u.pos.moveField(from.Interface(), name, to.Interface(), name)
			}
		}
	}
}

// v1Net converts each of the "layers" to a "layer".
func (u *upgrader) v1Net(p *caffepb.NetParameter) {
	u.pos.moveField(p, "layers", p, "layer")
	for i, old := range p.Layers {
		p.Layer = append(p.Layer, u.v1Layer(old, i))
	}
	p.Layers = nil
}

// v1Layer moves the contents of a layer to a layer in the current format.
func (u *upgrader) v1Layer(old *caffepb.V1LayerParameter, index int) *caffepb.LayerParameter {
	l := new(caffepb.LayerParameter)
	u.pos.SetMessage(l, u.pos.Of(old, "", 0))
	from, to := old.ProtoReflect(), l.ProtoReflect()
	// Most fields have kept their names and types.
	from.Range(func(source protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		target := to.Descriptor().Fields().ByName(source.Name())
		if target != nil && target.Kind() == source.Kind() && target.Cardinality() == source.Cardinality() {
			to.Set(target, v)
			u.pos.moveField(old, source.Name(), l, target.Name())
		}
		return true
	})
	u.v1Extras(old, l)
	if old.Type != nil {
		name, known := v1Types[*old.Type]
		if !known {
			// Of a fork's layer that its proto knows, the net says that there is no such type.
			if name = current().v1Types[old.Type.Number()]; name == "" {
				name = string(current().enumName(old.Type.Descriptor(), old.Type.Number()))
			}
		}
		if !known && name == "" {
			u.errorAt(old, "type", 0, old.GetName(), "layer %d has the unknown type number %d", index, *old.Type)
		}
		l.Type = &name
		u.pos.moveField(old, "type", l, "type")
	}
	// param returns the i-th ParamSpec. The i-th value of the old field source is its
	// field name.
	param := func(i int, name, source protoreflect.Name) *caffepb.ParamSpec {
		for len(l.Param) <= i {
			l.Param = append(l.Param, new(caffepb.ParamSpec))
		}
		spec := l.Param[i]
		if at := u.pos.Of(old, string(source), i); at.IsValid() {
			if !u.pos.Of(spec, "", 0).IsValid() {
				u.pos.SetMessage(spec, at)
			}
			u.pos.AddField(spec, name, at)
		}
		return spec
	}
	for i, name := range old.Param {
		param(i, "name", "param").Name = &name
	}
	for i, mode := range old.BlobShareMode {
		if mode != caffepb.V1LayerParameter_STRICT && mode != caffepb.V1LayerParameter_PERMISSIVE {
			u.errorAt(old, "blob_share_mode", i, old.GetName(), "unknown blob_share_mode number %d", mode)
		}
		param(i, "share_mode", "blob_share_mode").ShareMode = caffepb.ParamSpec_DimCheckMode(mode).Enum()
	}
	for i, lr := range old.BlobsLr {
		param(i, "lr_mult", "blobs_lr").LrMult = &lr
	}
	for i, decay := range old.WeightDecay {
		param(i, "decay_mult", "weight_decay").DecayMult = &decay
	}
	for _, spec := range l.Param {
		u.pos.AddField(l, "param", u.pos.Of(spec, "", 0))
	}
	return l
}

// v1Extras moves the fields that are not in caffe.proto: both forms of layers have
// the same.
func (u *upgrader) v1Extras(old *caffepb.V1LayerParameter, l *caffepb.LayerParameter) {
	s := current()
	unknown := []byte(l.ProtoReflect().GetUnknown())
	for rest := []byte(old.ProtoReflect().GetUnknown()); len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			break
		}
		if field := s.extraByNumber(layerParameter, number); field != nil {
			u.pos.moveField(old, field.Name(), l, field.Name())
			if at := u.pos.messages[old]; at != nil && at.extra[field.Name()] != nil {
				u.pos.setExtra(l, field.Name(), at.extra[field.Name()])
			}
			unknown = append(unknown, rest[:n]...)
		} else if number == dialectNumber {
			unknown = append(unknown, rest[:n]...)
		}
		rest = rest[n:]
	}
	l.ProtoReflect().SetUnknown(unknown)
}

// v1Types maps to the current names of the layer types.
var v1Types = map[caffepb.V1LayerParameter_LayerType]string{
	caffepb.V1LayerParameter_NONE:                       "",
	caffepb.V1LayerParameter_ABSVAL:                     "AbsVal",
	caffepb.V1LayerParameter_ACCURACY:                   "Accuracy",
	caffepb.V1LayerParameter_ARGMAX:                     "ArgMax",
	caffepb.V1LayerParameter_BNLL:                       "BNLL",
	caffepb.V1LayerParameter_CONCAT:                     "Concat",
	caffepb.V1LayerParameter_CONTRASTIVE_LOSS:           "ContrastiveLoss",
	caffepb.V1LayerParameter_CONVOLUTION:                "Convolution",
	caffepb.V1LayerParameter_DATA:                       "Data",
	caffepb.V1LayerParameter_DECONVOLUTION:              "Deconvolution",
	caffepb.V1LayerParameter_DROPOUT:                    "Dropout",
	caffepb.V1LayerParameter_DUMMY_DATA:                 "DummyData",
	caffepb.V1LayerParameter_ELTWISE:                    "Eltwise",
	caffepb.V1LayerParameter_EUCLIDEAN_LOSS:             "EuclideanLoss",
	caffepb.V1LayerParameter_EXP:                        "Exp",
	caffepb.V1LayerParameter_FLATTEN:                    "Flatten",
	caffepb.V1LayerParameter_HDF5_DATA:                  "HDF5Data",
	caffepb.V1LayerParameter_HDF5_OUTPUT:                "HDF5Output",
	caffepb.V1LayerParameter_HINGE_LOSS:                 "HingeLoss",
	caffepb.V1LayerParameter_IM2COL:                     "Im2col",
	caffepb.V1LayerParameter_IMAGE_DATA:                 "ImageData",
	caffepb.V1LayerParameter_INFOGAIN_LOSS:              "InfogainLoss",
	caffepb.V1LayerParameter_INNER_PRODUCT:              "InnerProduct",
	caffepb.V1LayerParameter_LRN:                        "LRN",
	caffepb.V1LayerParameter_MEMORY_DATA:                "MemoryData",
	caffepb.V1LayerParameter_MULTINOMIAL_LOGISTIC_LOSS:  "MultinomialLogisticLoss",
	caffepb.V1LayerParameter_MVN:                        "MVN",
	caffepb.V1LayerParameter_POOLING:                    "Pooling",
	caffepb.V1LayerParameter_POWER:                      "Power",
	caffepb.V1LayerParameter_RELU:                       "ReLU",
	caffepb.V1LayerParameter_SIGMOID:                    "Sigmoid",
	caffepb.V1LayerParameter_SIGMOID_CROSS_ENTROPY_LOSS: "SigmoidCrossEntropyLoss",
	caffepb.V1LayerParameter_SILENCE:                    "Silence",
	caffepb.V1LayerParameter_SLICE:                      "Slice",
	caffepb.V1LayerParameter_SOFTMAX:                    "Softmax",
	caffepb.V1LayerParameter_SOFTMAX_LOSS:               "SoftmaxWithLoss",
	caffepb.V1LayerParameter_SPLIT:                      "Split",
	caffepb.V1LayerParameter_TANH:                       "TanH",
	caffepb.V1LayerParameter_THRESHOLD:                  "Threshold",
	caffepb.V1LayerParameter_WINDOW_DATA:                "WindowData",
}

// inputs creates an Input layer from the fields input, input_shape and input_dim. A net
// without shapes is a file of weights, which needs none.
func (u *upgrader) inputs(p *caffepb.NetParameter) {
	if len(p.InputShape) > 0 || len(p.InputDim) > 0 {
		l := &caffepb.LayerParameter{
			Name: proto.String("input"), Type: proto.String("Input"), Top: p.Input,
			InputParam: new(caffepb.InputParameter),
		}
		u.pos.SetMessage(l, u.pos.Of(p, "input", 0))
		u.made(l, "input_param", l.InputParam, u.pos.Of(p, "input", 0))
		u.pos.moveField(p, "input", l, "top")
		if len(p.InputShape) > 0 {
			u.pos.moveField(p, "input_shape", l.InputParam, "shape")
		}
		for i, name := range p.Input {
			switch {
			case i < len(p.InputShape):
				l.InputParam.Shape = append(l.InputParam.Shape, p.InputShape[i])
			case len(p.InputShape) > 0:
				u.errorAt(p, "input", i, "", "input %q has no shape: there are %d input_shape for %d input", name, len(p.InputShape), len(p.Input))
			case 4*(i+1) <= len(p.InputDim):
				shape := new(caffepb.BlobShape)
				for j, dim := range p.InputDim[4*i : 4*i+4] {
					shape.Dim = append(shape.Dim, int64(dim))
					u.pos.AddField(shape, "dim", u.pos.Of(p, "input_dim", 4*i+j))
				}
				u.made(l.InputParam, "shape", shape, u.pos.Of(p, "input_dim", 4*i))
				l.InputParam.Shape = append(l.InputParam.Shape, shape)
			default:
				u.errorAt(p, "input", i, "", "input %q has no shape: there are %d input_dim for %d input, want 4 for each", name, len(p.InputDim), len(p.Input))
			}
		}
		p.Layer = append([]*caffepb.LayerParameter{l}, p.Layer...)
		u.pos.setValues(p, "layer", append([]Pos{u.pos.Of(l, "", 0)}, u.pos.values(p, "layer")...))
	}
	p.Input, p.InputShape, p.InputDim = nil, nil, nil
}

// needsFix reports whether a BatchNorm layer has multipliers for its three blobs,
// which once had to be written as 0.
func needsFix(l *caffepb.LayerParameter) bool { return l.GetType() == "BatchNorm" && len(l.Param) == 3 }

func hasOldBatchNorm(p *caffepb.NetParameter) bool {
	return slices.ContainsFunc(p.Layer, needsFix)
}

func fixBatchNorm(p *caffepb.NetParameter) {
	for _, l := range p.Layer {
		if needsFix(l) {
			for _, spec := range l.Param {
				spec.LrMult, spec.DecayMult = proto.Float32(0), proto.Float32(0)
			}
		}
	}
}
