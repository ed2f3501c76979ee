package layers

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
)

// The interfaces of this file are for layers that tell a net what they need, so
// that it can save memory and time. A net whose blobs keep their values
// (net.Options without Memory) asks Keepers and BottomSavers only.

// BackwardReader is a layer that can tell which data its Backward reads. Of a
// layer that cannot, all data of bottoms and tops are kept until Backward has
// run. What Backward finds in the other data is undefined.
type BackwardReader interface {
	// BackwardReads reports whether Backward reads the data of the bottoms, and
	// whether it reads those of the tops. It is called after SetUp, Reshape,
	// SetParamPropagateDown and Fuse.
	BackwardReads() (bottom, top bool)
}

// Keeper is a layer that may work in place, but then has to keep a copy of its
// bottom for Backward. A net can save it the copy: it gives the layer a bottom with
// data of its own, as if the file named bottom and top differently, while others
// still find the top under the one name. The two share their diff, as in place, unless
// it holds a loss weight: Backward must allow for that.
type Keeper interface {
	// KeepsBottom reports whether the layer would keep a copy. It is called once
	// the layer is made.
	KeepsBottom() bool
}

// BottomSaver is a layer, such as a normalization, that can save the data of its bottom in
// Forward, if another layer changes them before Backward.
type BottomSaver interface {
	// SaveBottom has Forward save the data of the bottom, the first one. The net calls it before
	// Fuse, if Backward runs and a later layer changes the data in place, under another name,
	// such as that of another top of a Split.
	SaveBottom()
}

// Fuser is a layer that can compute the layers after it together with itself,
// with fewer passes over memory. It asks them what they compute by interfaces
// such as ChannelAffine and Rectifier, so layers of a plugin can be fused too.
type Fuser interface {
	// Fuse is offered the layers that follow: each has one bottom, which is the only
	// top of the one before, and nobody else reads it or its data. An Adder has a second one,
	// which is computed before the layer runs, and comes after the layer's own bottoms
	// in Forward and Backward if it is taken in. The layer returns how many of them,
	// from the first on, it takes in; with none offered it is to run alone again. From
	// then on the net calls the layer's own Forward and Backward with the tops of the
	// last one taken in, and not those of the others. SetUp, Reshape and
	// SetParamPropagateDown of all go on as before. When a shape has changed, the net
	// offers those taken in again: it is an error if the layer then takes in fewer of
	// them.
	//
	// Intermediate blobs are not computed. In Backward, the bottom of an Adder has no
	// data, and its gradient is wanted; its diff may share memory with that of the first
	// top. The tops have the values that Forward gave them, unless BackwardReads says
	// that they are not needed: if a later layer would change them in place, the net
	// offers fewer layers. If there is one top, Backward may overwrite its diff.
	Fuse(next []Layer) int
}

// ChannelAffine is a layer that can be an affine map of each channel and nothing
// else, so that another layer can compute it too (Fuser):
//
//	y = factor[channel] (x - mean[channel]) + shift[channel]
type ChannelAffine interface {
	// ChannelAffine returns the map for a bottom of n items and c channels, on
	// axis 1. It returns false if with its options and shapes the layer computes
	// something else. A Fuser calls it in every pass.
	ChannelAffine(n, c int) (Affine, bool)
}

// Affine is the map of a ChannelAffine.
type Affine struct {
	Factor, Shift *blob.Blob // of c elements; nil for factors of 1, shifts of 0
	Mean          *blob.Blob // of c elements; nil for 0

	// Whether the layer that computes the map adds to the diffs of the blobs. One
	// that is false is not trained.
	FactorDiff, ShiftDiff bool
}

// Rectifier is a layer that computes max(x,0) + slope·min(x,0) and nothing
// else, so that another layer can compute it too (Fuser).
type Rectifier interface {
	// NegativeSlope returns the slope.
	NegativeSlope() float32
}

// ChannelRectifier is a layer that computes max(x,0) + slope[channel]·min(x,0) and
// nothing else, so that another layer can compute it too (Fuser).
type ChannelRectifier interface {
	// NegativeSlopes returns the slopes, as many as there are channels, or one for
	// all of them.
	NegativeSlopes() *blob.Blob
}

// Adder is a layer that can be the sum of two bottoms of equal shape and nothing else,
// so that another layer can compute it too (Fuser).
type Adder interface {
	// Adds reports whether it is that with its options.
	Adds() bool
}

// Splitter is a layer that can be one that only passes its bottom to several tops, which
// share its data, so that another layer can compute its gradient, the sum of theirs in
// their order (Fuser). It is the last of the layers that a Fuser is offered.
type Splitter interface {
	// Splits reports whether it is that with its options.
	Splits() bool
}

// Joiner is a layer whose top can hold its bottoms one after another. A net that runs forward
// only then has other layers write the bottoms to their places in the top, where nothing else
// needs them later.
type Joiner interface {
	// Joins reports whether it is that with its options and shapes. Forward finds some of the
	// bottoms in their places, which are the same memory as those of the top, and must not
	// copy those.
	Joins() bool
}

// Deferrer is a layer, such as a normalization, that can leave the computation of its top to
// the layer that reads it, so that the top need not be stored. It is a map of each element,
// together with the layers that it has taken in (Fuser).
type Deferrer interface {
	// Defer turns on (true) or off that the next layer computes the top, and reports whether it
	// can. If it cannot, because the layer computes more than a ChannelMap, nothing changes.
	// The net calls it after Fuse. While it is on, the top has the data of the bottom: Forward
	// must not write it, and Backward must not read it as the top.
	Defer(bool) bool

	// DeferredMap returns the map of the last Forward. It is valid until the next one.
	DeferredMap() kernel.ChannelMap
}

// DeferredReader is a layer, such as a convolution or a pooling, that can compute the map of a
// Deferrer as it reads its bottom, in Forward and in Backward.
type DeferredReader interface {
	// ReadDeferred sets the layer whose map the passes compute of the bottom, the only one, and
	// reports whether the layer supports that. If it does not, nothing changes. nil stands for
	// no layer. The net calls it after Reshape and Fuse, and again when a shape has changed: it
	// is an error if the layer then no longer supports it.
	ReadDeferred(Deferrer) bool
}

// PlaneSummer is a layer, such as a convolution, that can take the sums of each plane of its top,
// and of the squares, in Forward.
type PlaneSummer interface {
	// SumPlanes sets where Forward puts the sums, if it takes them, and reports whether the layer
	// can. If it cannot, nothing changes. nil stands for no sums. The net calls it after Fuse, if
	// the layer has one top, which a PlaneSumsReader reads that needs them.
	SumPlanes(*kernel.PlaneSums) bool
}

// PlaneSumsReader is a layer, such as a normalization, whose Forward needs the sums of each plane
// of its bottom, and of the squares.
type PlaneSumsReader interface {
	// ReadPlaneSums sets where Forward may find the sums, which a PlaneSummer takes of the bottom,
	// and reports whether it needs them. If it does not, nothing changes. nil stands for no sums.
	// Forward computes those that it does not find.
	ReadPlaneSums(*kernel.PlaneSums) bool
}

// GradLeaver is a layer, such as a normalization, whose Backward can leave the gradient of its
// bottom, the only one, to the layer that reads it next.
type GradLeaver interface {
	// LeaveGrad turns on (true) or off that Backward leaves the gradient, and returns where it
	// does. It returns nil if it cannot, and then nothing changes. The net calls it after Fuse,
	// if the diffs of bottom and top are the same memory.
	LeaveGrad(bool) *kernel.ItemGrad
}

// LeftGradReader is a layer, such as a convolution, that can compute what a GradLeaver has left of
// the gradient of its top as it reads that in Backward. The data of the top are then those of the
// pass, if BackwardReads says that they are needed.
type LeftGradReader interface {
	// ReadLeftGrad sets what Backward finds left of the gradient of the top, the only one, and
	// reports whether it pays off to leave it. If it does not, nothing changes. nil stands for
	// nothing.
	ReadLeftGrad(*kernel.ItemGrad) bool
}
