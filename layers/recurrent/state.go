package recurrent

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Without expose_hidden, the states after the last step are the states before the
// first step of the next pass. Snapshots include them.
//
// Differs from Caffe, where training resumed from a snapshot starts with states of 0.

// State returns the states as float32 values; with expose_hidden, nothing.
func (l *recurrent) State() []byte {
	if l.exposed {
		return nil
	}
	var state []byte
	for i := range l.states {
		for _, v := range l.state[i].Data() {
			state = binary.LittleEndian.AppendUint32(state, math.Float32bits(v))
		}
	}
	return state
}

// SetState restores states returned by State.
func (l *recurrent) SetState(state []byte) error {
	count := l.n * l.d
	if l.exposed {
		count = 0
	}
	if len(state) != 4*count*l.states {
		return fmt.Errorf("the states of the units have %d bytes, want %d: %d streams of %d units", len(state), 4*count*l.states, l.n, l.d)
	}
	for i := range l.states {
		if count == 0 {
			return nil
		}
		data := l.state[i].MutableData()
		for k := range data {
			data[k] = math.Float32frombits(binary.LittleEndian.Uint32(state[4*(i*count+k):]))
		}
	}
	return nil
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
