package recurrent

import "github.com/gocaffe/gocaffe/blob"

// Without expose_hidden, the states after the last step are the states before the
// first step of the next pass. Snapshots include them.
//
// Differs from Caffe, where training resumed from a snapshot starts with states of 0.

// State returns the states as float32 values; with expose_hidden, nothing.
func (l *recurrent) State() []byte {
	if l.exposed {
		return nil
	}
	return MarshalStates(l.stateBlobs()...)
}

// stateBlobs returns the blobs of the states.
func (l *recurrent) stateBlobs() []*blob.Blob {
	return []*blob.Blob{&l.state[0], &l.state[1]}[:l.states]
}

// SetState restores states returned by State.
func (l *recurrent) SetState(state []byte) error {
	if l.exposed {
		return UnmarshalStates(state)
	}
	return UnmarshalStates(state, l.stateBlobs()...)
}

// resetFor sets the states to 0 if the number of streams changes to n.
func (l *recurrent) resetFor(n int) {
	if l.n == 0 || n == l.n {
		return
	}
	for i := range l.states {
		clear(l.state[i].MutableData())
	}
}
