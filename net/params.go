package net

import (
	"fmt"
	"strconv"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// appendParams adds the weights of a layer to those of the net.
func (b *builder) appendParams(l *Layer) error {
	if have, want := len(l.source.Param), len(l.Params); have > want {
		return b.paramError(l, want, "has %s, the layer has %s of weights", entries(have), count(want, "blob"))
	}
	l.first = len(b.params)
	l.ParamBackward = make([]bool, len(l.Params))
	for k, w := range l.Params {
		// As in Caffe, the file decides here: the multiplier 0 that BatchNorm
		// gives to its statistics does not stop the gradient below it.
		need := specOf(l.source, k).GetLrMult() != 0
		l.NeedsBackward = l.NeedsBackward || need
		l.setParamBackward(k, need)
		if err := b.appendParam(l, k, w); err != nil {
			return err
		}
	}
	return nil
}

// appendParam adds one blob of weights. If an earlier layer has weights of the same
// name, it is going to share their storage.
func (b *builder) appendParam(l *Layer, k int, w *blob.Blob) error {
	spec := specOf(l.Param, k)
	p := &Param{
		Blob:      w,
		Layer:     l.Name,
		Index:     k,
		Name:      spec.GetName(),
		LRMult:    spec.GetLrMult(),
		DecayMult: spec.GetDecayMult(),
		setsLR:    spec.LrMult != nil,
		setsDecay: spec.DecayMult != nil,
	}
	if st, ok := l.Impl.(layers.ParamStatistics); ok {
		p.Statistic = st.IsStatistic(k)
	}
	if p.Name == "" {
		p.Name = strconv.Itoa(k)
	} else if p.Owner = b.owners[p.Name]; p.Owner == nil {
		b.owners[p.Name] = p
	}
	b.params = append(b.params, p)
	if p.Owner == nil {
		b.learned = append(b.learned, p)
		return nil
	}
	p.Owner.Statistic = p.Owner.Statistic && p.Statistic
	event.Send(b.observer, ParamShared{Param: p})
	return b.checkShared(l, p, spec)
}

// checkShared checks that shared weights agree with their owner in shape and
// multipliers. A multiplier that only one of the two sets applies to both.
func (b *builder) checkShared(l *Layer, p *Param, spec *caffepb.ParamSpec) error {
	owner := p.Owner
	permissive := spec.GetShareMode() == caffepb.ParamSpec_PERMISSIVE
	if permissive && p.Blob.Count() != owner.Blob.Count() {
		return b.paramError(l, p.Index, "cannot share param %q owned by layer %q: its shape is %s, the owner's is %s; share_mode PERMISSIVE needs equal counts",
			p.Name, owner.Layer, p.Blob.ShapeString(), owner.Blob.ShapeString())
	}
	if !permissive && !p.Blob.ShapeEqual(owner.Blob.Shape()) {
		return b.paramError(l, p.Index, "cannot share param %q owned by layer %q: its shape is %s, the owner's is %s",
			p.Name, owner.Layer, p.Blob.ShapeString(), owner.Blob.ShapeString())
	}
	if !agree(&owner.LRMult, &owner.setsLR, p.LRMult, p.setsLR) {
		return b.multiplierError(l, p, "lr_mult", p.LRMult, owner.LRMult)
	}
	if !agree(&owner.DecayMult, &owner.setsDecay, p.DecayMult, p.setsDecay) {
		return b.multiplierError(l, p, "decay_mult", p.DecayMult, owner.DecayMult)
	}
	return nil
}

// agree copies a multiplier that is set for shared weights to their owner. It
// returns false if the owner has another value.
func agree(owned *float32, owns *bool, value float32, set bool) bool {
	switch {
	case !set:
		return true
	case *owns:
		return *owned == value
	}
	*owned, *owns = value, true
	return true
}

func (b *builder) multiplierError(l *Layer, p *Param, field string, got, want float32) error {
	return b.paramError(l, p.Index, "shared param %q has %s %s, the layer %q that owns it has %s",
		p.Name, field, cfmt.G(float64(got)), p.Owner.Layer, cfmt.G(float64(want)))
}

func (b *builder) paramError(l *Layer, k int, format string, args ...any) error {
	return &prototxt.Error{Pos: position(b.file, l.source, "param", k), Layer: l.Name, Err: fmt.Errorf(format, args...)}
}

func entries(n int) string {
	if n == 1 {
		return "1 param entry"
	}
	return fmt.Sprintf("%d param entries", n)
}

// specOf returns the param entry for blob k of the weights, or an empty one if the
// layer has none.
func specOf(param *caffepb.LayerParameter, k int) *caffepb.ParamSpec {
	if k < len(param.Param) {
		return param.Param[k]
	}
	return new(caffepb.ParamSpec)
}

// shareWeights gives shared weights the storage of their owners.
func (b *builder) shareWeights() {
	for _, p := range b.params {
		if p.Owner != nil {
			// The counts are equal, so sharing cannot fail.
			p.Blob.ShareData(p.Owner.Blob)
			p.Blob.ShareDiff(p.Owner.Blob)
		}
	}
}

// ClearParamDiffs sets the gradients of all weights to zero, except those of
// statistics, which no layer writes.
func (n *Net) ClearParamDiffs() error {
	if n.diffsCleared {
		return nil
	}
	return n.runner.clearParamDiffs()
}

// ParamDiffsCleared tells the net that the caller has set the gradients of all
// weights to zero: ClearParamDiffs then does nothing until Backward has run.
func (n *Net) ParamDiffsCleared() { n.diffsCleared = true }

// Update subtracts the gradients from the weights. A solver scales them before.
func (n *Net) Update() { n.runner.update() }

// ShareTrainedWith makes layers of n share the weights of the layers of other with
// the same names, so that a net for testing uses those of the train net. If any
// weights cannot be shared, none are.
func (n *Net) ShareTrainedWith(other *Net) error {
	for _, share := range []bool{false, true} {
		targets := n.matcher()
		for _, source := range other.layers {
			target := targets.next(source.Name, len(source.Params) > 0)
			if target == nil {
				if share {
					event.Send(n.observer, LayerIgnored{Layer: source.Name, Shared: true})
				}
				continue
			}
			if err := target.shareWith(source, share); err != nil {
				return target.wrap(err)
			}
		}
	}
	return nil
}

// shareWith checks that the weights of two layers match and, if share is set,
// takes those of source.
func (l *Layer) shareWith(source *Layer, share bool) error {
	if len(l.Params) != len(source.Params) {
		return fmt.Errorf("cannot share weights: it has %s, the layer in the other net has %d", count(len(l.Params), "blob"), len(source.Params))
	}
	for k, w := range source.Params {
		if !l.Params[k].ShapeEqual(w.Shape()) {
			return fmt.Errorf("cannot share param %d: its shape is %s, in the other net %s", k, l.Params[k].ShapeString(), w.ShapeString())
		}
		if share {
			if err := l.Params[k].ShareData(w); err != nil {
				return err
			}
		}
	}
	return nil
}
