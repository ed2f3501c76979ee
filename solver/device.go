package solver

import (
	_ "embed"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
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

// A deviceUpdater updates the weights on a GPU. The learning rate is in the GPU's
// memory, since it changes while the recorded launches do not.
type deviceUpdater struct {
	s      *Solver
	gpu    *cuda.Device
	rate   blob.Blob // (1), or one for each param (Solver.local)
	norms  blob.Blob // squared L2 norm of the gradient of each param, for clip_gradients
	sizes  blob.Blob // and of the params, for rates of their own
	replay cuda.Replay
}

func newDeviceUpdater(s *Solver, gpu *cuda.Device) (*deviceUpdater, error) {
	u := &deviceUpdater{s: s, gpu: gpu}
	rates := 1
	if s.local() {
		rates = len(s.params)
	}
	return u, errors.Join(u.rate.Reshape(rates), u.norms.Reshape(len(s.params)), u.sizes.Reshape(len(s.params)))
}

func (u *deviceUpdater) reset() error { return u.replay.Reset() }

func (u *deviceUpdater) update(rate, scale float32, _ bool) error {
	if err := u.clip(); err != nil {
		return err
	}
	if u.s.local() {
		if err := u.localRates(rate); err != nil {
			return err
		}
	} else {
		u.gpu.Fill(1, rate*scale, u.rate.MutableDeviceData(u.gpu))
	}
	if u.s.param.GetMomentumPolicy() != "fixed" {
		return u.launch() // what is recorded has one momentum
	}
	return u.replay.Run(u.gpu, u.launch)
}

// localRates computes a rate for each param. It waits for the GPU, for the norms.
func (u *deviceUpdater) localRates(rate float32) error {
	s, d := u.s, u.gpu
	weights, gradients := u.sizes.MutableDeviceData(d), u.norms.MutableDeviceData(d)
	for i, p := range s.params {
		n, data, diff := p.Blob.Count(), p.Blob.DeviceData(d), p.Blob.DeviceDiff(d)
		d.ChannelDot(1, 1, n, data, data, 0, weights.At(i))
		d.ChannelDot(1, 1, n, diff, diff, 0, gradients.At(i))
	}
	w, g, rates := u.sizes.Data(), u.norms.Data(), u.rate.MutableData()
	normalize := s.updateOptions().Normalize
	for i, p := range s.params {
		rates[i] = s.localRate(rate, p, norm(float64(w[i])), normalize*norm(float64(g[i])))
	}
	return d.Check()
}

// launch launches the kernels that update all weights.
func (u *deviceUpdater) launch() error {
	s, d, o := u.s, u.gpu, u.s.updateOptions()
	rates := u.rate.DeviceData(d)
	for i, p := range s.params {
		if s.fixed[i] {
			continue
		}
		h, h2 := s.history[i].MutableDeviceData(d), cuda.Ptr(0)
		if s.rule.histories > 1 {
			h2 = s.history[len(s.params)+i].MutableDeviceData(d)
		}
		n, rate, mult := p.Blob.Count(), rates, p.LRMult
		if s.local() {
			rate, mult = rates.At(i), 1
		}
		d.Launch(deviceKernels[o.Rule], cuda.Each(n), p.Blob.MutableDeviceData(d), p.Blob.MutableDeviceDiff(d), h, h2, rate, mult,
			o.Normalize, s.param.GetWeightDecay()*p.DecayMult, o.L1, o.Momentum, o.Momentum2, o.Delta, n)
	}
	return nil
}

// clip scales the gradient by clipScale. It waits for the GPU, since the event
// that the gradient is clipped needs the norm.
func (u *deviceUpdater) clip() error {
	s, d := u.s, u.gpu
	if s.param.GetClipGradients() < 0 {
		return nil
	}
	norms := u.norms.MutableDeviceData(d)
	for i, p := range s.params {
		if !p.Statistic { // else its norm stays 0
			diff := p.Blob.DeviceDiff(d)
			d.ChannelDot(1, 1, p.Blob.Count(), diff, diff, 0, norms.At(i))
		}
	}
	var sum float64
	for _, v := range u.norms.Data() {
		sum += float64(v)
	}
	if scale := s.clipScale(sum); scale != 1 {
		for _, p := range s.params {
			if !p.Statistic {
				diff := p.Blob.MutableDeviceDiff(d)
				d.Scale(p.Blob.Count(), scale, diff, diff)
			}
		}
	}
	return d.Check()
}
