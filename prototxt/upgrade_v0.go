package prototxt

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/near"
)

// isV0 reports whether the net has layers of Caffe's first form, whose
// parameters are all in one message in the layer.
func isV0(p *caffepb.NetParameter) bool {
	return slices.ContainsFunc(p.Layers, func(l *caffepb.V1LayerParameter) bool { return l.Layer != nil })
}

// v0Net converts the net's V0 layers to V1. It returns false if a layer had parameters
// that its type does not have; they are dropped with a note.
func (u *upgrader) v0Net(p *caffepb.NetParameter) (compatible bool) {
	for _, l := range p.Layers {
		if l.Layer == nil {
			u.errorAt(l, "", 0, l.GetName(), `"layers" without a "layer" in it (V1), beside others with one (V0): write all of them in one form`)
		}
	}
	if len(u.errs) > 0 {
		return false
	}
	u.foldPadding(p)
	compatible = true
	for i, l := range p.Layers {
		upgraded, ok := u.v0Layer(l)
		p.Layers[i] = upgraded
		compatible = compatible && ok
	}
	// Caffe keeps nothing else.
	p.State, p.DebugInfo, p.InputShape = nil, nil, nil
	p.ProtoReflect().SetUnknown(nil)
	return compatible
}

// foldPadding removes the padding layers and moves their pad to the convolution or
// pooling layers after them.
func (u *upgrader) foldPadding(p *caffepb.NetParameter) {
	makers := make(map[string]*caffepb.V1LayerParameter) // the layer that made a blob last; nil for inputs
	for _, input := range p.Input {
		makers[input] = nil
	}
	for _, l := range p.Layers {
		for i, bottom := range l.Bottom {
			maker, known := makers[bottom]
			name, kind := l.Layer.GetName(), l.Layer.GetType()
			switch {
			case !known:
				u.errorAt(l, "bottom", i, name, "unknown bottom %q", bottom)
			case maker == nil || maker.Layer.GetType() != "padding":
			case kind != "conv" && kind != "pool":
				u.errorAt(l, "bottom", i, name, "bottom %q is the top of a padding layer, which only conv and pool layers may follow, and this is %q", bottom, kind)
			case len(l.Bottom) != 1:
				u.errorAt(l, "bottom", i, name, "%d bottoms, want 1 after a padding layer", len(l.Bottom))
			case len(maker.Bottom) != 1 || len(maker.Top) != 1:
				u.errorAt(maker, "", 0, maker.Layer.GetName(), "padding layer with %d bottoms and %d tops, want 1 of each", len(maker.Bottom), len(maker.Top))
			default:
				l.Layer.Pad = proto.Uint32(maker.Layer.GetPad())
				u.pos.moveField(maker.Layer, "pad", l.Layer, "pad")
				l.Bottom[i] = maker.Bottom[0]
			}
		}
		for _, top := range l.Top {
			makers[top] = l
		}
	}
	keep := p.Layers[:0:0]
	places := u.pos.values(p, "layers")
	var kept []Pos
	for i, l := range p.Layers {
		if l.Layer.GetType() != "padding" {
			keep = append(keep, l)
			if i < len(places) {
				kept = append(kept, places[i])
			}
		}
	}
	p.Layers = keep
	u.pos.setValues(p, "layers", kept)
}

// A v0Field describes the current location of a field of V0LayerParameter.
type v0Field struct {
	name    protoreflect.Name
	line    int               // where upgrade_proto.cpp logs that the layer's type has no such parameter
	targets map[string]string // by type of layer: "convolution_param.pad"
	always  string            // the target for every type, instead of targets
}

// v0Fields lists the fields in the order in which Caffe processes them. The fields
// new_num and new_channels are dropped silently.
var v0Fields = []v0Field{
	{name: "num_output", line: 237, targets: map[string]string{"conv": "convolution_param.num_output", "innerproduct": "inner_product_param.num_output"}},
	{name: "biasterm", line: 249, targets: map[string]string{"conv": "convolution_param.bias_term", "innerproduct": "inner_product_param.bias_term"}},
	{name: "weight_filler", line: 261, targets: map[string]string{"conv": "convolution_param.weight_filler", "innerproduct": "inner_product_param.weight_filler"}},
	{name: "bias_filler", line: 273, targets: map[string]string{"conv": "convolution_param.bias_filler", "innerproduct": "inner_product_param.bias_filler"}},
	{name: "pad", line: 283, targets: map[string]string{"conv": "convolution_param.pad", "pool": "pooling_param.pad"}},
	{name: "kernelsize", line: 295, targets: map[string]string{"conv": "convolution_param.kernel_size", "pool": "pooling_param.kernel_size"}},
	{name: "group", line: 304, targets: map[string]string{"conv": "convolution_param.group"}},
	{name: "stride", line: 316, targets: map[string]string{"conv": "convolution_param.stride", "pool": "pooling_param.stride"}},
	{name: "pool", line: 341, targets: map[string]string{"pool": "pooling_param.pool"}},
	{name: "dropout_ratio", line: 350, targets: map[string]string{"dropout": "dropout_param.dropout_ratio"}},
	{name: "local_size", line: 359, targets: map[string]string{"lrn": "lrn_param.local_size"}},
	{name: "alpha", line: 367, targets: map[string]string{"lrn": "lrn_param.alpha"}},
	{name: "beta", line: 375, targets: map[string]string{"lrn": "lrn_param.beta"}},
	{name: "k", line: 383, targets: map[string]string{"lrn": "lrn_param.k"}},
	{name: "source", line: 403, targets: map[string]string{"data": "data_param.source", "hdf5_data": "hdf5_data_param.source",
		"images": "image_data_param.source", "window_data": "window_data_param.source", "infogain_loss": "infogain_loss_param.source"}},
	{name: "scale", always: "transform_param.scale"},
	{name: "meanfile", always: "transform_param.mean_file"},
	{name: "batchsize", line: 429, targets: map[string]string{"data": "data_param.batch_size", "hdf5_data": "hdf5_data_param.batch_size",
		"images": "image_data_param.batch_size", "window_data": "window_data_param.batch_size"}},
	{name: "cropsize", always: "transform_param.crop_size"},
	{name: "mirror", always: "transform_param.mirror"},
	{name: "rand_skip", line: 449, targets: map[string]string{"data": "data_param.rand_skip", "images": "image_data_param.rand_skip"}},
	{name: "shuffle_images", line: 458, targets: map[string]string{"images": "image_data_param.shuffle"}},
	{name: "new_height", line: 467, targets: map[string]string{"images": "image_data_param.new_height"}},
	{name: "new_width", line: 476, targets: map[string]string{"images": "image_data_param.new_width"}},
	{name: "concat_dim", line: 485, targets: map[string]string{"concat": "concat_param.concat_dim"}},
	{name: "det_fg_threshold", line: 494, targets: map[string]string{"window_data": "window_data_param.fg_threshold"}},
	{name: "det_bg_threshold", line: 504, targets: map[string]string{"window_data": "window_data_param.bg_threshold"}},
	{name: "det_fg_fraction", line: 514, targets: map[string]string{"window_data": "window_data_param.fg_fraction"}},
	{name: "det_context_pad", line: 524, targets: map[string]string{"window_data": "window_data_param.context_pad"}},
	{name: "det_crop_mode", line: 534, targets: map[string]string{"window_data": "window_data_param.crop_mode"}},
	{name: "hdf5_output_param", line: 544, targets: map[string]string{"hdf5_output": "hdf5_output_param"}},
}

// v0Types are the V1 names of the layer types.
var v0Types = map[string]caffepb.V1LayerParameter_LayerType{
	"accuracy":                  caffepb.V1LayerParameter_ACCURACY,
	"bnll":                      caffepb.V1LayerParameter_BNLL,
	"concat":                    caffepb.V1LayerParameter_CONCAT,
	"conv":                      caffepb.V1LayerParameter_CONVOLUTION,
	"data":                      caffepb.V1LayerParameter_DATA,
	"dropout":                   caffepb.V1LayerParameter_DROPOUT,
	"euclidean_loss":            caffepb.V1LayerParameter_EUCLIDEAN_LOSS,
	"flatten":                   caffepb.V1LayerParameter_FLATTEN,
	"hdf5_data":                 caffepb.V1LayerParameter_HDF5_DATA,
	"hdf5_output":               caffepb.V1LayerParameter_HDF5_OUTPUT,
	"im2col":                    caffepb.V1LayerParameter_IM2COL,
	"images":                    caffepb.V1LayerParameter_IMAGE_DATA,
	"infogain_loss":             caffepb.V1LayerParameter_INFOGAIN_LOSS,
	"innerproduct":              caffepb.V1LayerParameter_INNER_PRODUCT,
	"lrn":                       caffepb.V1LayerParameter_LRN,
	"multinomial_logistic_loss": caffepb.V1LayerParameter_MULTINOMIAL_LOGISTIC_LOSS,
	"pool":                      caffepb.V1LayerParameter_POOLING,
	"relu":                      caffepb.V1LayerParameter_RELU,
	"sigmoid":                   caffepb.V1LayerParameter_SIGMOID,
	"softmax":                   caffepb.V1LayerParameter_SOFTMAX,
	"softmax_loss":              caffepb.V1LayerParameter_SOFTMAX_LOSS,
	"split":                     caffepb.V1LayerParameter_SPLIT,
	"tanh":                      caffepb.V1LayerParameter_TANH,
	"window_data":               caffepb.V1LayerParameter_WINDOW_DATA,
}

// v0Layer converts a V0 layer to V1. It returns false if a parameter had to be dropped.
func (u *upgrader) v0Layer(old *caffepb.V1LayerParameter) (l *caffepb.V1LayerParameter, compatible bool) {
	v0 := old.Layer
	l = &caffepb.V1LayerParameter{
		Bottom: old.Bottom, Top: old.Top,
		Name: v0.Name, Blobs: v0.Blobs, BlobsLr: v0.BlobsLr, WeightDecay: v0.WeightDecay,
	}
	u.pos.SetMessage(l, u.pos.Of(old, "", 0))
	for _, name := range []protoreflect.Name{"bottom", "top"} {
		u.pos.moveField(old, name, l, name)
	}
	for _, name := range []protoreflect.Name{"name", "type", "blobs", "blobs_lr", "weight_decay"} {
		u.pos.moveField(v0, name, l, name)
	}
	if v0.Type != nil {
		kind, known := v0Types[v0.GetType()]
		if !known {
			hint := ""
			if meant := near.Name(v0.GetType(), slices.Sorted(maps.Keys(v0Types))); meant != "" {
				hint = ", did you mean \"" + meant + "\"?"
			}
			u.errorAt(v0, "type", 0, v0.GetName(), "unknown layer type %q%s", v0.GetType(), hint)
			return l, false
		}
		l.Type = &kind
	}
	compatible = true
	from := v0.ProtoReflect()
	for _, f := range v0Fields {
		source := from.Descriptor().Fields().ByName(f.name)
		if !from.Has(source) {
			continue
		}
		target := f.always
		if target == "" {
			target = f.targets[v0.GetType()]
		}
		if target == "" {
			name := f.name
			if name == "shuffle_images" {
				name = "shuffle"
			}
			u.note(event.Error, f.line, "Unknown parameter %s for layer type %s", name, v0.GetType())
			compatible = false
			continue
		}
		to := l.ProtoReflect()
		group, rest, nested := strings.Cut(target, ".")
		if nested {
			param := to.Descriptor().Fields().ByName(protoreflect.Name(group))
			isNew := !to.Has(param)
			to = to.Mutable(param).Message()
			if isNew {
				u.made(l, param.Name(), to.Interface(), u.pos.Of(v0, "", 0))
			}
			target = rest
		}
		field := to.Descriptor().Fields().ByName(protoreflect.Name(target))
		v := from.Get(source)
		if source.Kind() == protoreflect.Int32Kind && field.Kind() == protoreflect.Uint32Kind {
			v = protoreflect.ValueOfUint32(uint32(v.Int())) // new_height, new_width
		}
		if field.IsList() {
			to.Mutable(field).List().Append(v)
		} else {
			to.Set(field, v)
		}
		u.pos.moveField(v0, f.name, to.Interface(), field.Name())
	}
	return l, compatible
}
