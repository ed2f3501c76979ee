package cuda

import (
	"fmt"

	"github.com/gocaffe/gocaffe/cuda/lib"
)

// A Precision is what products of matrices and convolutions round their factors to.
// The products are added in float32 in any case, and everything else is computed
// in float32.
type Precision int

const (
	FP32 = Precision(lib.FP32) // not rounded
	TF32 = Precision(lib.TF32) // 10 bits after the point, the exponents of float32
	BF16 = Precision(lib.BF16) // 7 bits after the point, the exponents of float32
)

var precisionNames = [...]string{FP32: "fp32", TF32: "tf32", BF16: "bf16"}

// String returns the name that ParsePrecision reads.
func (p Precision) String() string { return precisionNames[p] }

// ParsePrecision reads "fp32", "tf32" or "bf16".
func ParsePrecision(text string) (Precision, error) {
	for p, name := range precisionNames {
		if text == name {
			return Precision(p), nil
		}
	}
	return FP32, fmt.Errorf("%q is no precision: want fp32, tf32 or bf16", text)
}

// Precision returns that of products and convolutions: FP32, until SetPrecision.
func (d *Device) Precision() Precision { return d.precision }

// SetPrecision chooses the precision of products and convolutions. TF32 and BF16 are
// those of tensor cores, and an error if the device has none for them. It is called
// before the layers run, since recorded passes keep theirs.
func (d *Device) SetPrecision(p Precision) error {
	if p != FP32 && d.major < 8 {
		return fmt.Errorf("%s has compute capability %d.%d, and tensor cores for %v need 8.0 (Ampere) or newer", d.name, d.major, d.minor, p)
	}
	d.precision = p
	return nil
}
