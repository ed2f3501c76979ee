package emsoftmax

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

// diversityDevice holds a diversity's data on a device, like its slices on the
// host.
type diversityDevice struct {
	invNorm, dots         blob.Blob
	sums                  blob.Blob // of ChannelSums
	c, grad, gram, others blob.Blob
	term                  blob.Blob // ⟨C, D⟩
}

func (s *diversity) reshapeDevice() error {
	b, grams := &s.device, []int{s.v, s.k, s.k}
	if s.crosses() {
		grams = []int{s.d, s.d}
	}
	for _, r := range []struct {
		blob  *blob.Blob
		shape []int
	}{
		{&b.invNorm, []int{s.v * s.k}}, {&b.dots, []int{s.v * s.k}}, {&b.sums, []int{4 * s.v * s.k}},
		{&b.c, []int{s.v, s.k, s.d}}, {&b.grad, []int{s.v, s.k, s.d}},
		{&b.gram, grams}, {&b.others, grams}, {&b.term, nil},
	} {
		if err := r.blob.Reshape(r.shape...); err != nil {
			return err
		}
	}
	return nil
}

// vectors returns the number of vectors that have a norm of their own, 0 with
// NONE, and the number of class vectors and of elements in each.
func (s *diversity) vectors() (count, each, size int) {
	switch s.normalize {
	case "CLASS":
		return s.v * s.k, 1, s.d
	case "FROBENIUS":
		return s.v, s.k, s.k * s.d
	}
	return 0, 1, s.d
}

// forwardDevice returns the address of the term without its scale, and leaves D
// in grad.
func (s *diversity) forwardDevice(d *cuda.Device, weights *blob.Blob) cuda.Ptr {
	b, w := &s.device, weights.DeviceData(d)
	count, each, size := s.vectors()
	var inverse cuda.Ptr
	if count > 0 {
		sums := b.sums.MutableDeviceData(d)
		inverse = b.invNorm.MutableDeviceData(d)
		d.ChannelSums(1, count, size, w, w, sums)
		d.Launch(kernelInverse, cuda.Each(count), sums, inverse, count)
	}
	c, grad, term := b.c.MutableDeviceData(d), b.grad.MutableDeviceData(d), b.term.MutableDeviceData(d)
	d.Launch(kernelCenter, cuda.Blocks((s.d+31)/32, s.v, 1), w, inverse, each, c, s.k, s.d)
	if s.crosses() {
		s.gradCrossesDevice(d, c, grad)
	} else {
		s.gradGramsDevice(d, c, grad)
	}
	d.ChannelDot(1, 1, s.v*s.k*s.d, c, grad, 0, term)
	return term
}

// gradGramsDevice computes D from the Gram matrices.
func (s *diversity) gradGramsDevice(d *cuda.Device, c, grad cuda.Ptr) {
	gram, others := s.device.gram.MutableDeviceData(d), s.device.others.MutableDeviceData(d)
	square, size := s.k*s.k, s.k*s.d
	for v := range s.v {
		cv := c.At(v * size)
		d.GemmFP32(false, true, s.k, s.k, s.d, 1, cv, s.d, cv, s.d, 0, gram.At(v*square), s.k)
	}
	d.Launch(kernelOthers, cuda.Each(square), gram, others, s.v, square)
	for v := range s.v {
		d.GemmFP32(false, false, s.k, s.d, s.k, 1, others.At(v*square), s.k, c.At(v*size), s.d, 0, grad.At(v*size), s.d)
	}
}

// gradCrossesDevice computes D from the cross products of the pairs.
func (s *diversity) gradCrossesDevice(d *cuda.Device, c, grad cuda.Ptr) {
	cross, size := s.device.gram.MutableDeviceData(d), s.k*s.d
	d.Zero(s.v*size, grad)
	for v := range s.v {
		for u := range v {
			cu, cv := c.At(u*size), c.At(v*size)
			d.GemmFP32(true, false, s.d, s.d, s.k, 1, cu, s.d, cv, s.d, 0, cross, s.d)
			d.GemmFP32(false, false, s.k, s.d, s.d, 1, cu, s.d, cross, s.d, 1, grad.At(v*size), s.d)
			d.GemmFP32(false, true, s.k, s.d, s.d, 1, cv, s.d, cross, s.d, 1, grad.At(u*size), s.d)
		}
	}
}

// backwardDevice adds the term's gradient, times the loss weight, to that of the
// weights.
func (s *diversity) backwardDevice(d *cuda.Device, weights *blob.Blob, dloss cuda.Ptr) {
	b, w, grad := &s.device, weights.DeviceData(d), s.device.grad.DeviceData(d)
	count, _, size := s.vectors()
	scale := s.scale
	if s.exact {
		scale *= 4
	}
	var inverse, dots cuda.Ptr
	if count > 0 {
		inverse = b.invNorm.DeviceData(d)
		if s.exact {
			dots = b.dots.MutableDeviceData(d)
			d.ChannelDot(1, count, size, w, grad, 0, dots)
		}
	}
	n := s.v * s.k * s.d
	d.Launch(kernelDiversity, cuda.Each(n), w, grad, inverse, dots, dloss, scale, weights.MutableDeviceDiff(d), size, n)
}
