package layers

// The interfaces of this file are for layers that tell a net what they need, so
// that it can save memory and time. A net that keeps all numbers (net.Options
// without Memory) does not ask.

// BackwardReader is a layer that can tell which data its Backward reads. Of a
// layer that cannot, all data of bottoms and tops are kept until Backward has
// run. What Backward finds in the other data is undefined.
type BackwardReader interface {
	// BackwardReads tells whether Backward reads the data of the bottoms, and
	// whether it reads those of the tops. It is called after SetUp, Reshape,
	// SetParamPropagateDown and Fuse.
	BackwardReads() (bottom, top bool)
}

// Keeper is a layer that may work in place, but then has to keep a copy of its
// bottom for Backward. A net can spare it that: in training it gives the layer
// a bottom with data of its own, as if the file named bottom and top
// differently, while others still find the top under the one name. The two
// share their diff, as in place: Backward must allow for that.
type Keeper interface {
	// KeepsBottom tells whether the layer would keep a copy. It is called once
	// the layer is made.
	KeepsBottom() bool
}

// Fuser is a layer that can compute the layers after it together with itself,
// with fewer passes over memory.
type Fuser interface {
	// Fuse is offered the layers that follow: each has one bottom, which is the
	// only top of the one before, and nobody else reads it. The layer returns
	// how many of them, from the first on, it takes in; with none offered it
	// is to run alone again. From then on the net calls the layer's own Forward
	// and Backward with the tops of the last one taken in, and not those of the
	// others. SetUp, Reshape and SetParamPropagateDown of all go on as before.
	// What is between the layers is computed no more.
	Fuse(next []Layer) int
}

// Rectifier is a layer that computes max(x,0) + slope·min(x,0) and nothing
// else, so that others can compute it along (Fuser).
type Rectifier interface {
	// NegativeSlope returns the slope.
	NegativeSlope() float32
}
