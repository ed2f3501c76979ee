package deploy

import (
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// assemble makes the messages of the deployed net.
func (d *deployer) assemble() error {
	d.result.Param = &caffepb.NetParameter{Name: d.file.Param.Name}
	d.result.Weights = &caffepb.NetParameter{Name: d.file.Param.Name}
	shared := d.sharedNames()
	for _, n := range d.nodes {
		switch {
		case n.role == dataRole:
			if input := d.input(n); input != nil {
				d.add(input, nil)
			}
			continue
		case !n.isUsed():
			if n.same == "" {
				d.result.LeftOut = append(d.result.LeftOut, title(n.param))
			}
			continue
		case n.role == replaced:
			text := title(n.param) + " -> "
			for i, l := range n.out {
				if i > 0 {
					text += ", "
				}
				text += title(l)
			}
			d.result.Replaced = append(d.result.Replaced, text)
		}
		for i, l := range n.out {
			if !n.used[i] {
				continue
			}
			clean := proto.Clone(l).(*caffepb.LayerParameter)
			weights := clean.Blobs
			if n.role == kept {
				weights = nil
				for _, b := range n.layer.Params {
					weights = append(weights, b.ToProto(false))
				}
				keepSharing(clean, n.layer.Param, shared)
				normalize(clean, weights)
				limit(clean, weights)
				roundDown(clean)
			}
			if p := clean.GetBatchNormParam(); p != nil && p.UseGlobalStats != nil && !p.GetUseGlobalStats() {
				d.note("layer %q has use_global_stats: false, so that it normalizes by the statistics of each batch, in the deployed net too",
					clean.GetName())
			}
			if strip(clean.ProtoReflect()) {
				d.note("layer %q has fields that stock Caffe does not know; they are left out", clean.GetName())
			}
			d.add(clean, weights)
		}
	}
	d.result.Outputs = ends(d.result.Param.Layer)
	slices.Sort(d.result.Outputs)
	return nil
}

// add adds a layer to the net without its weights, and to the weights with
// them.
func (d *deployer) add(l *caffepb.LayerParameter, weights []*caffepb.BlobProto) {
	l.Blobs = nil
	d.result.Param.Layer = append(d.result.Param.Layer, l)
	with := proto.Clone(l).(*caffepb.LayerParameter)
	with.Blobs = weights
	d.result.Weights.Layer = append(d.result.Weights.Layer, with)
}

// sharedNames returns the names of the weights that several layers of the
// deployed net share.
func (d *deployer) sharedNames() map[string]bool {
	times := make(map[string]int)
	for _, n := range d.nodes {
		if n.role == kept && n.isUsed() {
			for _, p := range n.param.Param {
				times[p.GetName()]++
			}
		}
	}
	shared := make(map[string]bool)
	for name, n := range times {
		shared[name] = name != "" && n > 1
	}
	return shared
}

// keepSharing restores the param entries that say which weights are shared.
func keepSharing(l, file *caffepb.LayerParameter, shared map[string]bool) {
	l.Param = nil
	for i, p := range file.Param {
		if !shared[p.GetName()] {
			continue
		}
		for len(l.Param) <= i {
			l.Param = append(l.Param, new(caffepb.ParamSpec))
		}
		l.Param[i] = &caffepb.ParamSpec{Name: p.Name, ShareMode: p.ShareMode}
	}
}

// normalize scales the weights of an InnerProduct with NormFace's normalize,
// which stock Caffe does not have, to the length that the fork's
// inner_product_layer gives them in each pass.
func normalize(l *caffepb.LayerParameter, weights []*caffepb.BlobProto) {
	if l.GetType() != "InnerProduct" || !l.GetInnerProductParam().GetNormalize() {
		return
	}
	l.InnerProductParam.Normalize = nil
	w := weights[0] // num_output rows
	k := len(w.Data) / int(l.InnerProductParam.GetNumOutput())
	for row := range slices.Chunk(w.Data, k) {
		var sum float64
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		scale := float32(1 / math.Sqrt(sum+1e-6))
		for i := range row {
			row[i] *= scale
		}
	}
}

// limit clamps the factors of a Scale with NormFace's min_value and max_value,
// which stock Caffe does not have, as the fork's scale_layer does in each pass.
func limit(l *caffepb.LayerParameter, weights []*caffepb.BlobProto) {
	p := l.GetScaleParam()
	if l.GetType() != "Scale" || p == nil || len(l.Bottom) > 1 {
		return
	}
	for i, v := range weights[0].Data {
		if p.MinValue != nil {
			v = max(v, *p.MinValue)
		}
		if p.MaxValue != nil {
			v = min(v, *p.MaxValue)
		}
		weights[0].Data[i] = v
	}
	p.MinValue, p.MaxValue = nil, nil
}

// roundDown writes ceil_mode: false of forks' Pooling, which stock Caffe does not have,
// as round_mode: FLOOR.
func roundDown(l *caffepb.LayerParameter) {
	p := l.GetPoolingParam()
	if l.GetType() != "Pooling" || p == nil {
		return
	}
	field := prototxt.FieldOfMessage(l, p.ProtoReflect().Descriptor(), "ceil_mode")
	if field == nil {
		return
	}
	if given, err := prototxt.Holder(p.ProtoReflect(), field); err == nil && !given.Get(field).Bool() {
		p.RoundMode = caffepb.PoolingParameter_FLOOR.Enum()
	}
	p.ProtoReflect().SetUnknown(nil)
}

// strip removes what only training needs, and fields that are not in
// caffe.proto. It reports whether there were such fields.
func strip(m protoreflect.Message) (unknown bool) {
	switch l := m.Interface().(type) {
	case *caffepb.SoftmaxParameter:
		l.NormalizeType = nil // it is "Softmax", which stock Caffe does always
	case *caffepb.LayerParameter:
		l.Include, l.Exclude, l.Phase = nil, nil, nil
		l.LossWeight, l.PropagateDown, l.LossParam, l.TransformParam = nil, nil, nil, nil
	}
	if len(m.GetUnknown()) > 0 {
		m.SetUnknown(nil)
		unknown = true
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.Message().FullName() == "caffe.FillerParameter":
			m.Clear(field)
		case field.IsList():
			for i := range v.List().Len() {
				unknown = strip(v.List().Get(i).Message()) || unknown
			}
		default:
			unknown = strip(v.Message()) || unknown
		}
		return true
	})
	return unknown
}
