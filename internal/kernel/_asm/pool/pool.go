// Package pool writes the loops of package pool: rows of windows of any height,
// and whole planes for the sizes of windows that nets have.
package pool

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/simd"
)

type set struct{ *simd.Set }

// Write writes all functions.
func Write() {
	for _, isa := range simd.Sets {
		s := &set{isa}
		for stride := 1; stride <= 2; stride++ {
			s.maxRow(stride)
			s.aveRow(stride)
		}
		for _, w := range []windows{{k: 2, stride: 2}, {k: 3, stride: 2}, {k: 3, stride: 1}} {
			for _, w.max = range []bool{true, false} {
				w.mask = w.max
				s.pool(w)
				switch {
				case w.stride == 2:
					s.unpool(w)
				case w.max:
					s.unpool1(w)
				}
			}
			w.max, w.mask = true, false
			s.pool(w)
		}
	}
}

// windows is a kind of window.
type windows struct {
	k, stride int
	max       bool // else the mean
	mask      bool // of the maxima
}

func (w windows) name(verb string) string {
	kind := "ave"
	if w.max {
		kind = "max"
	}
	return fmt.Sprintf("%s%s%ds%d", kind, verb, w.k, w.stride)
}
