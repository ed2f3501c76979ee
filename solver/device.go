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
	rate   blob.Blob // (1)
	norms  blob.Blob // squared L2 norm of the gradient of each param, for clip_gradients
	replay cuda.Replay
}

func newDeviceUpdater(s *Solver, gpu *cuda.Device) (*deviceUpdater, error) {
	u := &deviceUpdater{s: s, gpu: gpu}
	return u, errors.Join(u.rate.Reshape(1), u.norms.Reshape(len(s.params)))
}

func (u *deviceUpdater) reset() error { return u.replay.Reset() }

func (u *deviceUpdater) update(rate, scale float32, _ bool) error {
	if err := u.clip(); err != nil {
		return err
	}
	u.gpu.Fill(1, rate*scale, u.rate.MutableDeviceData(u.gpu))
	return u.replay.Run(u.gpu, u.launch)
}

// launch launches the kernels that update all weights.
func (u *deviceUpdater) launch() error {
	s, d, o := u.s, u.gpu, u.s.updateOptions()
	rate := u.rate.DeviceData(d)
	for i, p := range s.params {
		if s.fixed[i] {
			continue
		}
		h, h2 := s.history[i].MutableDeviceData(d), cuda.Ptr(0)
		if s.rule.histories > 1 {
			h2 = s.history[len(s.params)+i].MutableDeviceData(d)
		}
		n := p.Blob.Count()
		d.Launch(deviceKernels[o.Rule], cuda.Each(n), p.Blob.MutableDeviceData(d), p.Blob.MutableDeviceDiff(d), h, h2, rate, p.LRMult,
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
