package python

import (
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
)

// The kinds of blobs in a request for memory; worker.py has the same numbers.
const (
	bottomBlob = iota
	topBlob
	paramBlob
)

// A shared is a blob of the layer in the shared memory. A segment is nil if Python has
// not used the array yet.
type shared struct {
	*blob.Blob
	data, diff *segment
}

// ensure makes a segment large enough for the blob. A segment that was too small stays
// with the layer: Python code may still hold an array in it.
func (l *layer) ensure(s **segment, count int) error { return l.ensureBytes(s, 4*count) }

func (l *layer) ensureBytes(s **segment, bytes int) error {
	if *s != nil && len((*s).bytes) >= bytes {
		return nil
	}
	segment, err := l.process.memory.allocate(bytes)
	if err != nil {
		return err
	}
	l.segments = append(l.segments, segment)
	*s = segment
	return nil
}

// requested returns the memory that Python asks for.
func (l *layer) requested(reply *frame) (*segment, error) {
	kind, index, diff, bytes := reply.next(), reply.next(), reply.next(), reply.next()
	if kind == paramBlob && index < maxParams {
		l.growParams(int(index) + 1) // setup has added it
	}
	lists := [...][]*shared{bottomBlob: l.bottom, topBlob: l.top, paramBlob: l.params}
	if kind < 0 || kind >= int64(len(lists)) || index < 0 || index >= int64(len(lists[kind])) || bytes < 0 {
		return nil, errDamaged
	}
	s := &lists[kind][index].data
	if diff != 0 {
		s = &lists[kind][index].diff
	}
	err := l.ensureBytes(s, int(bytes))
	return *s, err
}

// describe adds shapes and segments of all blobs to the request.
func (l *layer) describe() {
	r := &l.process.request
	for _, list := range [...][]*shared{l.bottom, l.top, l.params} {
		r.add(int64(len(list)))
		for _, b := range list {
			r.add(int64(b.Axes()))
			for _, n := range b.Shape() {
				r.add(int64(n))
			}
			for _, s := range [...]*segment{b.data, b.diff} {
				if s == nil {
					r.add(-1, 0)
				} else {
					r.add(s.offset, int64(len(s.bytes)))
				}
			}
		}
	}
}

// bind gives the layer the blobs of a call. A top in place is its bottom.
func (l *layer) bind(bottom, top []*blob.Blob) {
	if l.bottom == nil && l.top == nil {
		l.bottom, l.top = make([]*shared, len(bottom)), make([]*shared, len(top))
		for i := range bottom {
			l.bottom[i] = new(shared)
		}
		for i := range top {
			l.top[i] = new(shared)
			if j := slices.Index(bottom, top[i]); j >= 0 {
				l.top[i] = l.bottom[j]
			}
		}
	}
	for i, b := range bottom {
		l.bottom[i].Blob = b
	}
	for i, b := range top {
		l.top[i].Blob = b
	}
}

// sendArrays copies the data, or the diffs, of blobs to the shared memory.
func (l *layer) sendArrays(list []*shared, data, diff bool) error {
	for _, b := range list {
		n := b.Count()
		if data {
			if err := l.ensure(&b.data, n); err != nil {
				return err
			}
			kernel.Copy(l.spec.Env.Workers, b.Data(), b.data.floats(n))
		}
		if diff {
			if err := l.ensure(&b.diff, n); err != nil {
				return err
			}
			kernel.Copy(l.spec.Env.Workers, b.Diff(), b.diff.floats(n))
		}
	}
	return nil
}

// receiveWeights makes the blobs that setup has added.
func (l *layer) receiveWeights() error {
	n := l.process.reply.next()
	if n < int64(len(l.params)) || n > maxParams {
		return errDamaged
	}
	l.growParams(int(n))
	l.skipped = make([]bool, n)
	for _, b := range l.params {
		if err := l.receiveShape(b.Blob); err != nil {
			return err
		}
		if err := l.ensure(&b.data, b.Count()); err != nil {
			return err
		}
		copy(b.MutableData(), b.data.floats(b.Count()))
		l.blobs = append(l.blobs, b.Blob)
	}
	return nil
}

// maxParams is the largest number of blobs of weights.
const maxParams = 1 << 16

func (l *layer) growParams(n int) {
	for len(l.params) < n {
		l.params = append(l.params, &shared{Blob: new(blob.Blob)})
	}
}

// receiveShapes gives the tops the shapes in the reply. The diff of a loss that has
// another size in a pass is filled with its weight again; when a net calls Reshape, it
// does that itself.
func (l *layer) receiveShapes() error {
	weights := l.spec.Param.GetLossWeight()
	for i, b := range l.top {
		count := b.Count()
		if err := l.receiveShape(b.Blob); err != nil {
			return err
		}
		if l.began && i < len(weights) && weights[i] != 0 && b.Count() != count {
			kernel.Fill(l.spec.Env.Workers, weights[i], b.MutableDiff())
		}
	}
	return nil
}

// receiveShape gives a blob the next shape in the reply.
func (l *layer) receiveShape(b *blob.Blob) error {
	reply := &l.process.reply
	axes := reply.next()
	if axes < 0 || axes > int64(len(reply.ints)-reply.at) {
		return errDamaged
	}
	l.shape = l.shape[:0]
	for range axes {
		l.shape = append(l.shape, int(reply.next()))
	}
	if slices.Equal(l.shape, b.Shape()) && (axes > 0 || b.Count() == 1) { // a new blob has no axes and no element
		return nil
	}
	return b.Reshape(l.shape...)
}

// receiveParams copies the weights that a pass has changed, as one with statistics
// does: others stay untouched, so that a GPU need not get them again.
func (l *layer) receiveParams() {
	for _, b := range l.params {
		n := b.Count()
		if now := b.data.floats(n); !slices.Equal(now, b.Data()) {
			copy(b.MutableData(), now)
		}
	}
}
