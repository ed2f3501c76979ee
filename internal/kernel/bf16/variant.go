package bf16

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// fastest returns the loops of the best variant of this machine, or those in Go and an error
// that says what the machine lacks.
var fastest = sync.OnceValues(func() (*Micro, error) {
	list, err := native()
	if len(list) == 0 {
		return &generic, err
	}
	return list[0], nil
})

// chosen is the variant in use if a test has chosen one.
var chosen *Micro

// Active returns the variant in use.
func Active() *Micro {
	if chosen != nil {
		return chosen
	}
	u, _ := fastest()
	return u
}

// Supported returns nil if the processor and the system have instructions for bfloat16, and
// otherwise an error that names what is missing. A variant that a test has chosen is supported.
func Supported() error {
	if chosen != nil {
		return nil
	}
	_, err := fastest()
	return err
}

// Variants returns all variants that this machine can run, the fastest first. The last one
// is in Go.
func Variants() []*Micro {
	list, _ := native()
	return append(list, &generic)
}

// Use sets the variant in use; nil stands for the fastest. Tests call it, while no kernel
// runs, to compare the variants.
func Use(u *Micro) { chosen = u }

// lacking returns the error for a processor without some features.
func lacking(features []string) error {
	if len(features) == 0 {
		return errors.New("this build or processor has no instructions for bfloat16: they are those of AVX512_BF16 and AMX on amd64")
	}
	return fmt.Errorf("this processor has no instructions for bfloat16: it lacks %s", strings.Join(features, " and "))
}
