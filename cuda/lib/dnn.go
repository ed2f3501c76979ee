package lib

import (
	"fmt"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// DNN is cuDNN with a handle, which belongs to one context and one stream. Only one
// goroutine at a time may use it.
type DNN struct {
	*native
	handle  uintptr
	version int
	one     float32
	zero    float32
	args    [14]uintptr
}

var dnnFunctions = []string{
	"cudnnCreate", "cudnnDestroy", "cudnnGetVersion", "cudnnGetErrorString", "cudnnSetStream",
	"cudnnCreateTensorDescriptor", "cudnnSetTensor4dDescriptor", "cudnnDestroyTensorDescriptor",
	"cudnnCreateFilterDescriptor", "cudnnSetFilter4dDescriptor", "cudnnDestroyFilterDescriptor",
	"cudnnCreateConvolutionDescriptor", "cudnnSetConvolution2dDescriptor", "cudnnSetConvolutionGroupCount",
	"cudnnSetConvolutionMathType", "cudnnDestroyConvolutionDescriptor",
	"cudnnGetConvolutionForwardAlgorithm_v7", "cudnnGetConvolutionBackwardDataAlgorithm_v7",
	"cudnnGetConvolutionBackwardFilterAlgorithm_v7",
	"cudnnGetConvolutionForwardWorkspaceSize", "cudnnGetConvolutionBackwardDataWorkspaceSize",
	"cudnnGetConvolutionBackwardFilterWorkspaceSize",
	"cudnnConvolutionForward", "cudnnConvolutionBackwardData", "cudnnConvolutionBackwardFilter",
}

// OpenDNN opens cuDNN for the current context with a handle for stream s. The error is
// ErrNotFound if there is no cuDNN, or only one with missing parts.
func OpenDNN(s driver.Stream) (*DNN, error) {
	lib, err := (&wanted{env: EnvDNN, stem: "cudnn", versions: []int{9, 8}, check: openParts}).find()
	if err != nil {
		return nil, err
	}
	n, err := bind(lib, "cuDNN", dnnFunctions)
	if err != nil {
		return nil, err
	}
	d := &DNN{native: n, one: 1, version: int(dynlib.Call(n.addr["cudnnGetVersion"]))}
	n.text = func(code int) string {
		p := dynlib.Call(n.addr["cudnnGetErrorString"], uintptr(code))
		return dynlib.TextAt(p)
	}
	if err := n.call("cudnnCreate", uintptr(unsafe.Pointer(&d.handle))); err != nil {
		return nil, err
	}
	if err := n.call("cudnnSetStream", d.handle, uintptr(s)); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close destroys the handle.
func (d *DNN) Close() error { return d.call("cudnnDestroy", d.handle) }

// Version returns the version of cuDNN, such as "9.1.0".
func (d *DNN) Version() string {
	if d.version >= 90000 {
		return fmt.Sprintf("%d.%d.%d", d.version/10000, d.version/100%100, d.version%100)
	}
	return fmt.Sprintf("%d.%d.%d", d.version/1000, d.version/100%10, d.version%100)
}

// A ConvolutionShape describes a convolution: x is (N,C,H,W), the weights are
// (M,C/Group,KernelH,KernelW) and y is (N,M,OutH,OutW), all in row-major order.
type ConvolutionShape struct {
	N, C, H, W           int
	M, OutH, OutW        int
	KernelH, KernelW     int
	PadH, PadW           int
	StrideH, StrideW     int
	DilationH, DilationW int
	Group                int
}

// A Convolution computes the three passes of a convolution of one shape.
type Convolution struct {
	d             *DNN
	x, y, w, conv uintptr // descriptors
	forward, data pass
	filter        pass
}

// pass is one of the three passes.
type pass struct {
	name      string   // in the functions of cuDNN
	names     []string // of the algorithms
	algorithm uintptr
	workspace uint64 // bytes
}

// performance is cudnnConvolutionFwdAlgoPerf_t and its like.
type performance struct {
	algorithm   int32
	status      int32
	_           float32 // milliseconds
	_           uint64  // memory
	determinism int32   // 1: the same result in each run
	mathType    int32
	_           [3]int32 // reserved
}

// NewConvolution returns a convolution. It uses only algorithms that give the same
// result in each run and need at most maxWorkspace bytes besides their arguments.
// BF16 is computed as TF32, for which cuDNN need not convert the data.
func (d *DNN) NewConvolution(s ConvolutionShape, math Math, maxWorkspace uint64) (*Convolution, error) {
	c := &Convolution{
		d: d,
		forward: pass{name: "Forward", names: []string{
			"IMPLICIT_GEMM", "IMPLICIT_PRECOMP_GEMM", "GEMM", "DIRECT", "FFT", "FFT_TILING", "WINOGRAD", "WINOGRAD_NONFUSED"}},
		data:   pass{name: "BackwardData", names: []string{"ALGO_0", "ALGO_1", "FFT", "FFT_TILING", "WINOGRAD", "WINOGRAD_NONFUSED"}},
		filter: pass{name: "BackwardFilter", names: []string{"ALGO_0", "ALGO_1", "FFT", "ALGO_3", "WINOGRAD", "WINOGRAD_NONFUSED", "FFT_TILING"}},
	}
	if err := c.describe(s, math); err != nil {
		c.Close()
		return nil, err
	}
	for _, p := range []struct {
		*pass
		from, to uintptr
	}{{&c.forward, c.x, c.y}, {&c.data, c.y, c.x}, {&c.filter, c.x, c.y}} {
		if err := c.choose(p.pass, p.from, p.to, math, maxWorkspace); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// nameOf returns cuDNN's name of an algorithm, without the prefix that all have.
func (p *pass) nameOf(algorithm uintptr) string {
	if algorithm < uintptr(len(p.names)) {
		return p.names[algorithm]
	}
	return fmt.Sprintf("algorithm %d", algorithm)
}

// Algorithms returns the algorithm of each pass, by cuDNN's names: "forward
// WINOGRAD, data ALGO_1, weights ALGO_1".
func (c *Convolution) Algorithms() string {
	return fmt.Sprintf("forward %s, data %s, weights %s",
		c.forward.nameOf(c.forward.algorithm), c.data.nameOf(c.data.algorithm), c.filter.nameOf(c.filter.algorithm))
}

// describe creates the descriptors.
func (c *Convolution) describe(s ConvolutionShape, math Math) error {
	const float, nchw, crossCorrelation = 0, 0, 1
	d := c.d
	steps := []func() error{
		func() error { return d.call("cudnnCreateTensorDescriptor", uintptr(unsafe.Pointer(&c.x))) },
		func() error { return d.call("cudnnCreateTensorDescriptor", uintptr(unsafe.Pointer(&c.y))) },
		func() error { return d.call("cudnnCreateFilterDescriptor", uintptr(unsafe.Pointer(&c.w))) },
		func() error { return d.call("cudnnCreateConvolutionDescriptor", uintptr(unsafe.Pointer(&c.conv))) },
		func() error {
			return d.call("cudnnSetTensor4dDescriptor", c.x, nchw, float, uintptr(s.N), uintptr(s.C), uintptr(s.H), uintptr(s.W))
		},
		func() error {
			return d.call("cudnnSetTensor4dDescriptor", c.y, nchw, float, uintptr(s.N), uintptr(s.M), uintptr(s.OutH), uintptr(s.OutW))
		},
		func() error {
			return d.call("cudnnSetFilter4dDescriptor", c.w, float, nchw, uintptr(s.M), uintptr(s.C/s.Group), uintptr(s.KernelH), uintptr(s.KernelW))
		},
		func() error {
			return d.call("cudnnSetConvolution2dDescriptor", c.conv, uintptr(s.PadH), uintptr(s.PadW),
				uintptr(s.StrideH), uintptr(s.StrideW), uintptr(s.DilationH), uintptr(s.DilationW), crossCorrelation, float)
		},
		func() error { return d.call("cudnnSetConvolutionGroupCount", c.conv, uintptr(s.Group)) },
		func() error { return d.call("cudnnSetConvolutionMathType", c.conv, mathType(math)) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func mathType(math Math) uintptr {
	if math == FP32 {
		return 3 // CUDNN_FMA_MATH; the default would take TF32
	}
	return 1 // CUDNN_TENSOR_OP_MATH
}

// choose chooses the fastest algorithm for a pass, as cuDNN's heuristics order
// them. The descriptors are those of the pass's input and result, in cuDNN's order.
func (c *Convolution) choose(p *pass, from, to uintptr, math Math, maxWorkspace uint64) error {
	first, second, third := c.inOrder(p, from, to)
	var found [16]performance
	var n int32
	ask := "cudnnGetConvolution" + p.name + "Algorithm_v7"
	err := c.d.call(ask, c.d.handle, first, second, c.conv, third, uintptr(len(found)),
		uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&found)))
	if err != nil {
		return err
	}
	tooLarge := "" // the algorithms that need more memory
	for _, f := range found[:n] {
		if f.status != 0 || f.determinism != 1 || math == FP32 && f.mathType != 3 && f.mathType != 0 {
			continue
		}
		var bytes uintptr
		err := c.d.call("cudnnGetConvolution"+p.name+"WorkspaceSize", c.d.handle, first, second, c.conv, third,
			uintptr(f.algorithm), uintptr(unsafe.Pointer(&bytes)))
		if err != nil {
			continue
		}
		if uint64(bytes) > maxWorkspace {
			tooLarge += fmt.Sprintf("; %s needs %d", p.nameOf(uintptr(f.algorithm)), bytes)
			continue
		}
		p.algorithm, p.workspace = uintptr(f.algorithm), uint64(bytes)
		return nil
	}
	return &Error{Call: ask, Code: notSupported, Text: fmt.Sprintf(
		"none of %d algorithms is deterministic with a workspace of at most %d bytes%s", n, maxWorkspace, tooLarge)}
}

// notSupported is CUDNN_STATUS_NOT_SUPPORTED of cuDNN 8.
const notSupported = 9

// inOrder returns the descriptors in the order of cuDNN's arguments: x, w, y forward;
// w, dy, dx for the data; x, dy, dw for the weights.
func (c *Convolution) inOrder(p *pass, from, to uintptr) (first, second, third uintptr) {
	switch p {
	case &c.forward:
		return from, c.w, to
	case &c.data:
		return c.w, from, to
	}
	return from, to, c.w
}

// Workspace returns the bytes of device memory that a pass needs besides its
// arguments.
func (c *Convolution) Workspace() uint64 {
	return max(c.forward.workspace, c.data.workspace, c.filter.workspace)
}

// Forward computes y = x * w.
func (c *Convolution) Forward(x, w, y, workspace driver.Ptr) error {
	return c.run("cudnnConvolutionForward", &c.forward, c.x, x, c.w, w, workspace, false, c.y, y)
}

// BackwardData computes dx, the gradient of x, from dy, the gradient of y.
func (c *Convolution) BackwardData(w, dy, dx, workspace driver.Ptr) error {
	return c.run("cudnnConvolutionBackwardData", &c.data, c.w, w, c.y, dy, workspace, false, c.x, dx)
}

// BackwardFilter adds the gradient of the weights to dw.
func (c *Convolution) BackwardFilter(x, dy, dw, workspace driver.Ptr) error {
	return c.run("cudnnConvolutionBackwardFilter", &c.filter, c.x, x, c.y, dy, workspace, true, c.w, dw)
}

// run calls a pass. All three have the same order of arguments.
func (c *Convolution) run(call string, p *pass, da uintptr, a driver.Ptr, db uintptr, b, workspace driver.Ptr, add bool, dr uintptr, r driver.Ptr) error {
	d := c.d
	beta := &d.zero
	if add {
		beta = &d.one
	}
	args := d.args[:13]
	copy(args, []uintptr{d.handle, uintptr(unsafe.Pointer(&d.one)), da, uintptr(a), db, uintptr(b), c.conv,
		p.algorithm, uintptr(workspace), uintptr(p.workspace), uintptr(unsafe.Pointer(beta)), dr, uintptr(r)})
	return d.callKept(call, args)
}

// Close destroys the descriptors.
func (c *Convolution) Close() error {
	var first error
	for _, o := range []struct {
		destroy string
		handle  *uintptr
	}{
		{"cudnnDestroyTensorDescriptor", &c.x}, {"cudnnDestroyTensorDescriptor", &c.y},
		{"cudnnDestroyFilterDescriptor", &c.w}, {"cudnnDestroyConvolutionDescriptor", &c.conv},
	} {
		if *o.handle == 0 {
			continue
		}
		if err := c.d.call(o.destroy, *o.handle); err != nil && first == nil {
			first = err
		}
		*o.handle = 0
	}
	return first
}
