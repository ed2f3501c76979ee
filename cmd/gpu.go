package gocaffecmd

import (
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/prototxt"
)

// openDevice opens the GPU of --gpu with the precision of --math. Without --gpu it
// returns nil and sets onCPU.
func (f *netFlags) openDevice() (*cuda.Device, error) {
	precision, err := f.precision()
	if err != nil {
		return nil, err
	}
	if f.gpu == "" {
		return f.withPrecision(nil, precision)
	}
	number, err := f.gpuNumber()
	if err != nil {
		return nil, err
	}
	d, err := cuda.Open(number)
	if err != nil {
		return nil, fmt.Errorf("--gpu %s: %w; without --gpu, gocaffe computes on the CPU", f.gpu, err)
	}
	return f.withPrecision(d, precision)
}

// precision returns the value of --math.
func (f *netFlags) precision() (cuda.Precision, error) {
	p, err := cuda.ParsePrecision(f.math)
	if err != nil {
		return p, fmt.Errorf("--math: %w", err)
	}
	return p, nil
}

// withPrecision sets the precision of a device, which is nil for the CPU, and
// returns the device.
func (f *netFlags) withPrecision(d *cuda.Device, p cuda.Precision) (*cuda.Device, error) {
	if d == nil {
		switch p {
		case cuda.TF32:
			return nil, fmt.Errorf("--math %v needs --gpu: the CPU computes in fp32 or bf16", p)
		case cuda.BF16:
			f.onCPU = kernel.BF16
		}
		if err := f.onCPU.Supported(); err != nil {
			return nil, fmt.Errorf("--math %v: %w", p, err)
		}
		return nil, nil
	}
	if err := d.SetPrecision(p); err != nil {
		return nil, errors.Join(fmt.Errorf("--math %v: GPU %d: %w", p, d.Number(), err), d.Close())
	}
	return d, nil
}

// gpuNumber returns the number of the GPU that --gpu names.
func (f *netFlags) gpuNumber() (int, error) {
	if err := checkGPUs(f.gpu); err != nil {
		return 0, err
	}
	drv, err := driver.Open()
	if err != nil {
		return 0, fmt.Errorf("--gpu %s: %w; without --gpu, gocaffe computes on the CPU", f.gpu, err)
	}
	n, err := drv.DeviceCount()
	if err != nil {
		return 0, fmt.Errorf("--gpu %s: %w", f.gpu, err)
	}
	numbers, err := gpuNumbers(f.gpu, n)
	if err != nil {
		return 0, err
	}
	if len(numbers) != 1 {
		return 0, fmt.Errorf("--gpu %s selects %d GPUs, this version of gocaffe computes on one", f.gpu, len(numbers))
	}
	return numbers[0], nil
}

// solverDevice opens the GPU for a solver: that of --gpu or, without the flag, that
// of the solver's file. If the latter is unavailable, it logs a warning and returns
// nil, for the CPU.
func (a *app) solverDevice(f *netFlags, file *prototxt.Solver) (*cuda.Device, error) {
	p := file.Param
	if f.gpu != "" || p.SolverMode == nil || p.GetSolverMode() != caffepb.SolverParameter_GPU {
		return f.openDevice()
	}
	precision, err := f.precision()
	if err != nil {
		return nil, err
	}
	d, err := cuda.Open(int(p.GetDeviceId()))
	if err != nil {
		at := file.Positions.Of(p, "solver_mode", 0)
		if errors.Is(err, driver.ErrNoDriver) {
			err = driver.ErrNoDriver
		}
		a.glog.log(event.Warning, "caffe.cpp:183", fmt.Sprintf("%v: solver_mode is GPU; computing on the CPU: %v", at, err))
		return f.withPrecision(nil, precision)
	}
	return f.withPrecision(d, precision)
}

// useDevice logs the device, as Caffe does, and what multiplies matrices on it.
// Convolution layers send notes about their kernels, and a net about the precision on the CPU.
func (a *app) useDevice(d *cuda.Device, cpu, gpu string) {
	if d == nil {
		a.glog.logf(cpu, "Use CPU.")
		return
	}
	a.glog.logf(gpu, "Using GPUs %d", d.Number())
	a.glog.logf("caffe.cpp:218", "GPU %d: %s", d.Number(), d.Name())
	if file, version, err := d.BLAS(); err != nil {
		a.glog.logf(event.Caller(0), "Products of matrices by gocaffe's kernels: %v", err)
	} else {
		a.glog.logf(event.Caller(0), "Products of matrices by cuBLAS %s, %s", version, file)
	}
}
