package margin

import (
	"fmt"

	"github.com/gocaffe/gocaffe/kernel"
)

// Psi returns ψ(c) for a factor m of the angle, 2 to 4, and the two coefficients of
// its gradient. The gradient of ‖w‖‖x‖ψ by x is
//
//	across w - along ‖w‖/‖x‖ x      across = ψ'(c)      along = c ψ'(c) - ψ(c)
//
// and the gradient by w is the same with w and x exchanged.
func Psi(m int, c float32) (psi, across, along float32) {
	switch m {
	case 2: // ±2c² - 1
		s := kernel.Sign(c)
		return 2*s*c*c - 1, 4 * s * c, 2*s*c*c + 1
	case 3: // ±(4c³ - 3c) + s2
		s1 := kernel.Sign(max(c, -c) - 0.5)
		s2 := kernel.Sign(c)*(1+s1) - 2
		return s1*(4*c*c*c-3*c) + s2, s1 * (12*c*c - 3), 8*s1*c*c*c - s2
	case 4: // ±(8c⁴ - 8c² + 1) + s4
		s3 := kernel.Sign(c) * kernel.Sign(2*c*c-1)
		s4 := 2*kernel.Sign(c) + s3 - 3
		return s3*(8*c*c*c*c-8*c*c+1) + s4, s3 * (32*c*c*c - 16*c), s3*(24*c*c*c*c-8*c*c-1) - s4
	}
	panic(fmt.Sprintf("margin: Psi(%d): want 2, 3 or 4", m))
}
