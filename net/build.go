package net

import (
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// New builds the net in a file for the state in opts. It does not change the file
// and does not load weights inside it. An error in the file is a *prototxt.Error;
// several independent errors are a prototxt.ErrorList.
func New(file *prototxt.Net, opts Options) (*Net, error) {
	if err := layers.Check(); err != nil {
		return nil, err
	}
	if err := opts.complete(); err != nil {
		return nil, err
	}
	n := &Net{
		name:    file.Param.GetName(),
		state:   opts.State,
		workers: opts.Workers,
		envs:    make(map[caffepb.Phase]*layers.Env),
		byName:  make(map[string]*netBlob),

		observer:    opts.Observer,
		memory:      opts.Memory,
		forwardOnly: opts.ForwardOnly,
		joins:       opts.Memory != nil && opts.ForwardOnly && opts.Device == nil,
	}
	if n.state == nil {
		n.state = file.Param.GetState()
	}
	b := &builder{
		Net:       n,
		file:      file,
		opts:      opts,
		available: make(map[string]bool),
		broken:    make(map[*netBlob]bool),
		owners:    make(map[string]*Param),

		namesTaken: make(map[string]bool),
	}
	if err := b.build(); err != nil {
		n.closeLayers()
		return nil, err
	}
	return n, nil
}

// A builder holds what is needed only while a net is built.
type builder struct {
	*Net
	file       *prototxt.Net
	opts       Options
	available  map[string]bool   // blobs that no layer has read so far
	broken     map[*netBlob]bool // blobs without a shape, because their layer failed
	owners     map[string]*Param // the first weights with each name
	changed    map[any]*Layer    // by DataID: the last layer that changes the data in place
	shapeTaken string            // the data layer that Synthetic.Shape is for
	namesTaken map[string]bool   // those of Synthetic.Named
	batchTaken bool              // a layer has Synthetic.Batch
	errs       prototxt.ErrorList
}

// build builds the net in the order of Net::Init in Caffe's net.cpp, but first
// finds the errors in the file as a whole.
func (b *builder) build() error {
	filtered := b.filter(b.file.Param)
	b.errs = check(b.file, filtered.Layer, b.state)
	if len(b.errs) == 0 {
		event.Send(b.observer, Initializing{Param: filtered})
		filtered.Layer = insertSplits(filtered.Layer, b.file.Positions)
	}
	b.makeLayers(filtered.Layer)
	if len(b.errs) > 0 {
		return b.failed()
	}
	if err := b.checkTaken(); err != nil {
		return err
	}
	for i := range b.layers {
		b.connect(i)
	}
	if len(b.errs) > 0 {
		return b.failed()
	}
	b.needBackward(filtered.GetForceBackward())
	b.findOutputs()
	b.shareWeights()
	b.warnSameNames()
	b.keepNamed()
	b.group()
	b.fuse()
	b.packWeights()
	if err := b.checkSize(); err != nil {
		return err
	}
	b.place()
	b.fillLabels()
	b.notePrecision()
	if err := b.makeRunner(); err != nil {
		return err
	}
	b.SetDebugInfo(filtered.GetDebugInfo())
	event.Send(b.observer, Initialized{})
	return nil
}

// failed returns all errors, in the order of the file.
func (b *builder) failed() error {
	b.errs.Sort()
	if len(b.errs) == 1 {
		return b.errs[0]
	}
	return b.errs.Err()
}

// add adds an error, which may be a list.
func (b *builder) add(err error) {
	switch e := err.(type) {
	case *prototxt.Error:
		b.errs = append(b.errs, e)
	case prototxt.ErrorList:
		b.errs = append(b.errs, e...)
	default:
		b.errs = append(b.errs, &prototxt.Error{Err: err})
	}
}

// env returns the environment of the layers of a phase: the phase of the net, or
// the one that a layer sets for itself.
func (b *builder) env(phase caffepb.Phase) *layers.Env {
	env := b.envs[phase]
	if env == nil {
		env = &layers.Env{
			Phase:      phase,
			Workers:    b.opts.Workers,
			Device:     b.opts.Device,
			Seed:       b.opts.Seed,
			Engine:     b.opts.Engine,
			Precision:  b.opts.Precision,
			Observer:   b.observer,
			Rank:       b.opts.Rank,
			Ranks:      b.opts.Ranks,
			Stop:       b.opts.Stop,
			NoPrograms: b.opts.NoPrograms,
			Inference:  b.opts.Inference,
		}
		b.envs[phase] = env
	}
	return env
}

// makeLayers makes the layers, which reads and checks their options. Making a
// layer has no side effects, so all errors can be found.
func (b *builder) makeLayers(param []*caffepb.LayerParameter) {
	for _, source := range param {
		info := layers.Of(source)
		if info == nil {
			continue // check has reported it
		}
		phase := b.state.GetPhase()
		if source.Phase != nil {
			phase = source.GetPhase()
		}
		spec := layers.NewSpec(source, b.env(phase), b.file.Positions)
		spec.Param.Phase = phase.Enum()
		setLossWeights(spec.Param, info)
		b.setStatsBatch(spec.Param)
		l := &Layer{
			Name:      source.GetName(),
			Type:      source.GetType(),
			Info:      info,
			Param:     spec.Param,
			env:       spec.Env,
			source:    source,
			positions: b.file.Positions,
		}
		if err := b.shapeInput(spec.Param); err != nil {
			b.add(l.wrapIn(b.file, err))
			continue
		}
		if err := l.make(spec); err != nil {
			b.add(l.wrapIn(b.file, err))
			continue
		}
		if err := b.replaceData(l); err != nil {
			b.add(err)
			continue
		}
		b.layers = append(b.layers, l)
	}
}

// setStatsBatch sets what the net says about every BatchNorm, as in Intel's Caffe.
func (b *builder) setStatsBatch(param *caffepb.LayerParameter) {
	if b.file.Param.BnStatsBatchSize == nil || param.GetType() != "BatchNorm" {
		return
	}
	if param.BatchNormParam == nil {
		param.BatchNormParam = new(caffepb.BatchNormParameter)
	}
	param.BatchNormParam.StatsBatchSize = proto.Uint32(b.file.Param.GetBnStatsBatchSize())
}

// setLossWeights sets the weights of a loss that has none in the file: 1 for the
// first top, as in Caffe's loss_layer.cpp, and 0 for the others.
//
// Differs from Caffe: in Caffe, a loss with two tops does not work without two
// loss weights in the file.
func setLossWeights(param *caffepb.LayerParameter, info *layers.Info) {
	if info.Loss && len(param.LossWeight) == 0 {
		param.LossWeight = make([]float32, max(topCount(param, info), 1))
		param.LossWeight[0] = 1
	}
}

// connect gives layer i its blobs and sets it up.
func (b *builder) connect(i int) {
	l := b.layers[i]
	for j, name := range l.source.Bottom {
		b.appendBottom(l, j, name)
	}
	for j := range topCount(l.source, l.Info) {
		b.appendTop(l, j)
	}
	event.Send(b.observer, LayerAdded{Layer: l})
	if b.downstream(l) {
		return
	}
	if p, ok := l.Impl.(layers.ProgramRunner); ok && b.opts.NoPrograms {
		b.fail(l, l.wrapIn(b.file, &SkippedError{p.Program()}))
		return
	}
	if err := l.setUp(b.workers); err != nil {
		b.fail(l, l.wrapIn(b.file, err))
		return
	}
	if b.splitsBottom(l) {
		for j, top := range l.tops {
			if j < len(l.bottoms) && top.name == l.bottoms[j].name && top.Count() == l.bottoms[j].Count() && l.LossWeights[j] == 0 {
				top.ShareDiff(l.Bottoms[j]) // the counts are equal, so sharing cannot fail
			}
		}
	}
	for j, top := range l.tops {
		top.lossWeight = l.LossWeights[j]
		b.dataBytes += 4 * int64(top.Count())
	}
	event.Send(b.observer, LayerReady{Layer: l, DataBytes: b.dataBytes})
	if err := b.appendParams(l); err != nil {
		b.fail(l, err)
		return
	}
	if l.NeedsBackward {
		for _, top := range l.tops {
			top.needsBackward = true
		}
	}
}

// fail records that a layer cannot be set up. Layers that do not depend on it are
// still set up, so that their errors are found as well.
func (b *builder) fail(l *Layer, err error) {
	b.add(err)
	for _, top := range l.tops {
		b.broken[top] = true
	}
}

// downstream reports whether a layer cannot be set up because a layer above it
// failed.
func (b *builder) downstream(l *Layer) bool {
	if !slices.ContainsFunc(l.bottoms, func(bottom *netBlob) bool { return b.broken[bottom] }) {
		return false
	}
	for _, top := range l.tops {
		b.broken[top] = true
	}
	return true
}

// appendBottom gives a layer bottom j.
func (b *builder) appendBottom(l *Layer, j int, name string) {
	bottom := b.byName[name]
	delete(b.available, name)
	l.bottoms = append(l.bottoms, bottom)
	l.Bottoms = append(l.Bottoms, bottom.Blob)
	l.BottomNames = append(l.BottomNames, name)
	propagate := bottom.needsBackward
	if len(l.source.PropagateDown) > 0 {
		propagate = l.source.PropagateDown[j]
	}
	l.PropagateDown = append(l.PropagateDown, propagate)
	l.NeedsBackward = l.NeedsBackward || bottom.needsBackward
}

// appendTop gives a layer top j: bottom j if both have the same name, otherwise a
// new blob. Other layers cannot read tops that the file leaves out.
func (b *builder) appendTop(l *Layer, j int) {
	name, automatic := "(automatic)", true
	if j < len(l.source.Top) {
		name, automatic = l.source.Top[j], false
	}
	var top *netBlob
	if !automatic && j < len(l.BottomNames) && l.BottomNames[j] == name {
		top = b.inPlace(l, j)
	} else {
		top = &netBlob{Blob: new(blob.Blob), name: name, source: len(l.source.Bottom) == 0}
		b.blobs = append(b.blobs, top)
		if !automatic {
			b.byName[name] = top
		}
	}
	if !automatic {
		b.available[name] = true
		// Caffe's net.cpp recognizes the inputs of a net by this type too.
		if l.Type == "Input" {
			b.inputs = append(b.inputs, name)
		}
	}
	l.tops = append(l.tops, top)
	l.Tops = append(l.Tops, top.Blob)
	l.TopNames = append(l.TopNames, name)
}

// inPlace returns top j of a layer that works in place on bottom j: the bottom itself, or
// another blob that takes over its name, so that the layer need not copy the bottom, the layer
// before finds its top in the backward pass, or the loss weight in the diff of the top stays
// when the layer writes that of the bottom. The tops of layers without bottoms stay, since
// callers may hold them, and so do those with the data of another blob, in which that of a new
// one would not appear: Caffe changes both.
func (b *builder) inPlace(l *Layer, j int) *netBlob {
	bottom := l.bottoms[j]
	loss := j < len(l.Param.LossWeight) && l.Param.LossWeight[j] != 0
	if bottom.source || b.broken[bottom] || !loss && !b.splitsBottom(l) && !b.readsTop(bottom.Blob) || sharesData(bottom.Blob, b.layers) {
		return bottom
	}
	top := &netBlob{Blob: new(blob.Blob), name: bottom.name}
	b.blobs[slices.Index(b.blobs, bottom)] = top
	b.byName[top.name] = top
	return top
}

// findOutputs collects the blobs that no layer reads, in alphabetical order.
func (b *builder) findOutputs() {
	names := make([]string, 0, len(b.available))
	for name := range b.available {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		event.Send(b.observer, OutputFound{Blob: name})
		top := b.byName[name]
		b.outputs = append(b.outputs, Output{name, top.Blob, top.lossWeight})
	}
}

// keepNamed finds the blobs of Options.Keep.
func (b *builder) keepNamed() {
	b.kept = make(map[*blob.Blob]bool)
	for _, name := range b.opts.Keep {
		if found := b.byName[name]; found != nil {
			b.kept[found.Blob] = true
		}
	}
}

// makeRunner chooses whether the net runs on the host or on a device.
func (b *builder) makeRunner() (err error) {
	if b.opts.Device == nil {
		b.runner = &host{net: b.Net}
	} else {
		b.runner, err = newDevice(b.Net, b.opts.Device)
	}
	return err
}

// checkSize returns an error for a net that no machine can hold.
func (b *builder) checkSize() error {
	limit := int64(1) << 47 // the address space of a process on 64-bit machines
	if math.MaxInt == math.MaxInt32 {
		limit = math.MaxInt32
	}
	if total := b.Plan().Bytes(); total > limit {
		return &prototxt.Error{
			Pos: prototxt.Pos{File: b.file.File},
			Err: fmt.Errorf("the blobs of the net need %d bytes, want at most %d, the size of the address space", total, limit),
		}
	}
	return nil
}
