package cuda

import (
	"fmt"

	"github.com/gocaffe/gocaffe/cuda/lib"
)

// A Precision is the number format to which products of matrices and convolutions
// round their factors. They add the products in float32, and everything else is
// computed in float32.
type Precision int

const (
	FP32 = Precision(lib.FP32) // not rounded
	TF32 = Precision(lib.TF32) // 10 bits of mantissa, the exponents of float32
	BF16 = Precision(lib.BF16) // 7 bits of mantissa, the exponents of float32
)

var precisionNames = [...]string{FP32: "fp32", TF32: "tf32", BF16: "bf16"}

// String returns the name that ParsePrecision reads.
func (p Precision) String() string {
	if p < 0 || int(p) >= len(precisionNames) {
		return fmt.Sprintf("Precision(%d)", int(p))
	}
	return precisionNames[p]
}

// ParsePrecision reads "fp32", "tf32" or "bf16".
func ParsePrecision(text string) (Precision, error) {
	for p, name := range precisionNames {
		if text == name {
			return Precision(p), nil
		}
	}
	return FP32, fmt.Errorf("unknown precision %q, want fp32, tf32 or bf16", text)
}

// Precision returns the precision of products and convolutions. It is FP32 until
// SetPrecision is called.
func (d *Device) Precision() Precision { return d.precision }

// SetPrecision sets the precision of products and convolutions. TF32 and BF16 need
// tensor cores that support them. Call it before the layers run: recorded passes keep
// their precision.
func (d *Device) SetPrecision(p Precision) error {
	if _, err := ParsePrecision(p.String()); err != nil {
		return err
	}
	if p != FP32 && d.major < 8 {
		return fmt.Errorf("%s has compute capability %d.%d, tensor cores support %v from 8.0 (Ampere) on", d.name, d.major, d.minor, p)
	}
	d.precision = p
	return nil
}
