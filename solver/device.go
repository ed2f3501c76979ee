package solver

import (
	_ "embed"
	"errors"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/internal/kernel"
)

//go:embed update.ptx.gz
var updatePTX string

var updateModule = cuda.NewModule(updatePTX)

// deviceKernels are the update rules on a GPU.
var deviceKernels = map[kernel.Rule]*cuda.Kernel{
	kernel.SGD:      updateModule.Kernel("solver_sgd"),
	kernel.Nesterov: updateModule.Kernel("solver_nesterov"),
	kernel.AdaGrad:  updateModule.Kernel("solver_adagrad"),
	kernel.RMSProp:  updateModule.Kernel("solver_rmsprop"),
	kernel.AdaDelta: updateModule.Kernel("solver_adadelta"),
	kernel.Adam:     updateModule.Kernel("solver_adam"),
}

// deviceUpdate is what the update on a GPU keeps: the learning rate in the device's
// memory, because it changes while the recorded work does not, and the recordings.
type deviceUpdate struct {
	rate          blob.Blob
	norms         blob.Blob // of the gradients, for clip_gradients
	clear, update cuda.Replay
	clearDiffs    func() error
	updateAll     func() error
}

func (u *deviceUpdate) close() error { return errors.Join(u.clear.Reset(), u.update.Reset()) }

// clearDiffs sets the gradients of all weights to zero.
func (s *Solver) clearDiffs() error {
	d := s.opts.Device
	if d == nil {
		s.net.ClearParamDiffs()
		return nil
	}
	u := &s.device
	if u.clearDiffs == nil {
		u.clearDiffs = func() error { s.net.ClearParamDiffs(); return nil }
		u.updateAll = s.updateAll
		if err := errors.Join(u.rate.Reshape(1), u.norms.Reshape(len(s.params))); err != nil {
			return err
		}
	}
	return u.clear.Run(d, u.clearDiffs)
}

// updateDevice is update on a GPU. The rate has the rule's scale in it.
func (s *Solver) updateDevice(rate float32) error {
	d := s.opts.Device
	if err := s.clipDevice(); err != nil {
		return err
	}
	d.Fill(s.device.rate.MutableDeviceData(d), rate, 1)
	if err := s.device.update.Run(d, s.device.updateAll); err != nil {
		return err
	}
	s.iter++
	return nil
}

// updateAll launches the kernels that update all weights.
func (s *Solver) updateAll() error {
	d, u := s.opts.Device, s.updateOptions()
	rate := s.device.rate.DeviceData(d)
	for i, p := range s.params {
		h, h2 := s.history[i].MutableDeviceData(d), cuda.Ptr(0)
		if s.rule.histories > 1 {
			h2 = s.history[len(s.params)+i].MutableDeviceData(d)
		}
		n := p.Blob.Count()
		d.Launch(deviceKernels[u.Rule], cuda.Each(n), p.Blob.MutableDeviceData(d), p.Blob.MutableDeviceDiff(d), h, h2, rate, p.LRMult,
			u.Normalize, s.param.GetWeightDecay()*p.DecayMult, u.L1, u.Momentum, u.Momentum2, u.Delta, n)
	}
	return nil
}

// clipDevice is clip on a GPU, which is waited for: whether the gradient is clipped
// is told to the observers.
func (s *Solver) clipDevice() error {
	limit := s.param.GetClipGradients()
	if limit < 0 {
		return nil
	}
	d := s.opts.Device
	norms := s.device.norms.MutableDeviceData(d)
	for i, p := range s.params {
		diff := p.Blob.DeviceDiff(d)
		d.ChannelDot(norms.At(i), diff, diff, 0, 1, 1, p.Blob.Count())
	}
	var sum float64
	for _, v := range s.device.norms.Data() {
		sum += float64(v)
	}
	if norm := float32(math.Sqrt(sum)); norm > limit {
		scale := limit / norm
		emit(s, Clipped{Iter: s.iter, Norm: norm, Max: limit, Scale: scale})
		for _, p := range s.params {
			diff := p.Blob.MutableDeviceDiff(d)
			d.Scale(scale, diff, diff, p.Blob.Count())
		}
	}
	return d.Check()
}
