package blob

import "gorgonia.org/tensor"

// Tensor returns the numbers as a tensor of the blob's shape, without a copy:
// what is written to one is seen in the other, until a Reshape of the blob needs
// more room. A blob of no numbers has no tensor, and Tensor returns nil.
func (b *Blob) Tensor() *tensor.Dense { return view(b.shape, b.MutableData()) }

// DiffTensor returns the gradient as Tensor returns the numbers.
func (b *Blob) DiffTensor() *tensor.Dense { return view(b.shape, b.MutableDiff()) }

func view(shape []int, values []float32) *tensor.Dense {
	if len(values) == 0 {
		return nil
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
}
