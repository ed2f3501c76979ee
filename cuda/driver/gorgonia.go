//go:build gorgonia

package driver

// #include <cuda.h>
import "C"

import (
	"errors"
	"reflect"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/dynlib"
	"gorgonia.org/cu"
)

// viaCu calls the driver through gorgonia.org/cu, which is compiled with
// gorgonia/cuda.h and linked with gorgonia/libcuda.c (make gorgonia). Functions that
// cu lacks, for pinned memory, capture and attributes of functions, are called
// directly.
type viaCu struct {
	library string
	version int
}

// newDriver initializes an open library.
func newDriver(lib *dynlib.Library) (Driver, error) {
	C.gocaffe_use(dynlib.Pointer(lib.Handle()))
	if err := direct("cuInit", C.cuInit(0)); err != nil {
		return nil, err
	}
	return &viaCu{library: lib.Name(), version: cu.Version()}, nil
}

// direct returns the result of a function as an error.
func direct(call string, code C.CUresult) error {
	if code == C.CUDA_SUCCESS {
		return nil
	}
	return &Error{Call: call, Code: Result(code)}
}

// failed converts an error of cu, whose type is not exported: an integer that may be
// wrapped.
func failed(call string, err error) error {
	if err == nil {
		return nil
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if v := reflect.ValueOf(e); v.CanInt() {
			return &Error{Call: call, Code: Result(v.Int())}
		}
	}
	return &Error{Call: call, Code: Unknown, Detail: err.Error()}
}

// as converts a handle to cu's type for it, a struct with the same address.
func as[T cu.CUContext | cu.Stream | cu.Event | cu.Module | cu.Function, H ~uintptr](handle H) T {
	return *(*T)(unsafe.Pointer(&handle))
}

// handle is the inverse of as.
func handle[H ~uintptr, T cu.CUContext | cu.Stream | cu.Event | cu.Module | cu.Function](t T) H {
	return *(*H)(unsafe.Pointer(&t))
}

func (d *viaCu) Library() string { return d.library }
func (d *viaCu) Version() int    { return d.version }

func (d *viaCu) DeviceCount() (int, error) {
	n, err := cu.NumDevices()
	return n, failed("cuDeviceGetCount", err)
}

func (d *viaCu) DeviceName(dev Device) (string, error) {
	name, err := cu.Device(dev).Name()
	return name, failed("cuDeviceGetName", err)
}

func (d *viaCu) DeviceTotalMem(dev Device) (uint64, error) {
	n, err := cu.Device(dev).TotalMem()
	return uint64(n), failed("cuDeviceTotalMem", err)
}

func (d *viaCu) DeviceAttribute(a Attribute, dev Device) (int, error) {
	v, err := cu.Device(dev).Attribute(cu.DeviceAttribute(a))
	return v, failed("cuDeviceGetAttribute", err)
}

func (d *viaCu) PrimaryRetain(dev Device) (Context, error) {
	c, err := cu.Device(dev).RetainPrimaryCtx()
	return handle[Context](c), failed("cuDevicePrimaryCtxRetain", err)
}

func (d *viaCu) PrimaryRelease(dev Device) error {
	return failed("cuDevicePrimaryCtxRelease", cu.Device(dev).ReleasePrimaryCtx())
}

func (d *viaCu) SetCurrent(c Context) error {
	return failed("cuCtxSetCurrent", cu.SetCurrentContext(as[cu.CUContext](c)))
}

func (d *viaCu) Synchronize() error { return failed("cuCtxSynchronize", cu.Synchronize()) }

func (d *viaCu) StreamCreate() (Stream, error) {
	s, err := cu.MakeStream(cu.NonBlocking)
	return handle[Stream](s), failed("cuStreamCreate", err)
}

func (d *viaCu) StreamDestroy(s Stream) error {
	stream := as[cu.Stream](s)
	return failed("cuStreamDestroy", stream.Destroy())
}

func (d *viaCu) StreamSynchronize(s Stream) error {
	return failed("cuStreamSynchronize", as[cu.Stream](s).Synchronize())
}

func (d *viaCu) StreamWaitEvent(s Stream, e Event) error {
	return failed("cuStreamWaitEvent", as[cu.Stream](s).Wait(as[cu.Event](e), 0))
}

func (d *viaCu) EventCreate(timing bool) (Event, error) {
	flags := cu.BlockingSyncEvent
	if !timing {
		flags |= cu.DisableTiming
	}
	e, err := cu.MakeEvent(flags)
	return handle[Event](e), failed("cuEventCreate", err)
}

func (d *viaCu) EventDestroy(e Event) error {
	event := as[cu.Event](e)
	return failed("cuEventDestroy", cu.DestroyEvent(&event))
}

func (d *viaCu) EventRecord(e Event, s Stream) error {
	return failed("cuEventRecord", as[cu.Event](e).Record(as[cu.Stream](s)))
}

func (d *viaCu) EventSynchronize(e Event) error {
	return failed("cuEventSynchronize", as[cu.Event](e).Synchronize())
}

func (d *viaCu) EventDone(e Event) (bool, error) {
	err := failed("cuEventQuery", as[cu.Event](e).Query())
	if errors.Is(err, NotReady) {
		return false, nil
	}
	return err == nil, err
}

func (d *viaCu) EventElapsed(start, end Event) (float32, error) {
	ms, err := as[cu.Event](start).Elapsed(as[cu.Event](end))
	return float32(ms), failed("cuEventElapsedTime", err)
}

func (d *viaCu) MemAlloc(bytes uint64) (Ptr, error) {
	p, err := cu.MemAlloc(int64(bytes))
	return Ptr(p), noMemory(d, failed("cuMemAlloc", err), bytes)
}

func (d *viaCu) MemFree(p Ptr) error { return failed("cuMemFree", cu.MemFree(cu.DevicePtr(p))) }

func (d *viaCu) MemInfo() (free, total uint64, err error) {
	f, t, err := cu.MemInfo()
	return uint64(f), uint64(t), failed("cuMemGetInfo", err)
}

func (d *viaCu) Memset32Async(p Ptr, value uint32, n uint64, s Stream) error {
	return failed("cuMemsetD32Async", cu.MemsetD32Async(cu.DevicePtr(p), uint(value), int64(n), as[cu.Stream](s)))
}

// CopyToDevice waits for the default stream: the driver may return while the bytes
// are still in a buffer of its own.
func (d *viaCu) CopyToDevice(dst Ptr, src unsafe.Pointer, bytes uint64) error {
	if err := cu.MemcpyHtoD(cu.DevicePtr(dst), src, int64(bytes)); err != nil {
		return failed("cuMemcpyHtoD", err)
	}
	return d.StreamSynchronize(0)
}

func (d *viaCu) CopyToHost(dst unsafe.Pointer, src Ptr, bytes uint64) error {
	return failed("cuMemcpyDtoH", cu.MemcpyDtoH(dst, cu.DevicePtr(src), int64(bytes)))
}

// CopyOnDevice waits for the default stream: the driver does not.
func (d *viaCu) CopyOnDevice(dst, src Ptr, bytes uint64) error {
	if err := cu.MemcpyDtoD(cu.DevicePtr(dst), cu.DevicePtr(src), int64(bytes)); err != nil {
		return failed("cuMemcpyDtoD", err)
	}
	return d.StreamSynchronize(0)
}

func (d *viaCu) CopyToDeviceAsync(dst Ptr, src unsafe.Pointer, bytes uint64, s Stream) error {
	return failed("cuMemcpyHtoDAsync", cu.MemcpyHtoDAsync(cu.DevicePtr(dst), src, int64(bytes), as[cu.Stream](s)))
}

func (d *viaCu) CopyToHostAsync(dst unsafe.Pointer, src Ptr, bytes uint64, s Stream) error {
	return failed("cuMemcpyDtoHAsync", cu.MemcpyDtoHAsync(dst, cu.DevicePtr(src), int64(bytes), as[cu.Stream](s)))
}

func (d *viaCu) CopyOnDeviceAsync(dst, src Ptr, bytes uint64, s Stream) error {
	return failed("cuMemcpyDtoDAsync", cu.MemcpyDtoDAsync(cu.DevicePtr(dst), cu.DevicePtr(src), int64(bytes), as[cu.Stream](s)))
}

func (d *viaCu) HostAlloc(bytes uint64) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	err := direct("cuMemHostAlloc", C.cuMemHostAlloc(&p, C.size_t(bytes), C.CU_MEMHOSTALLOC_PORTABLE))
	return p, with(err, "wanted %d bytes of pinned host memory", bytes)
}

func (d *viaCu) HostFree(p unsafe.Pointer) error { return failed("cuMemFreeHost", cu.MemFreeHost(p)) }

func (d *viaCu) ModuleLoad(ptx string) (Module, error) {
	info, errs := make([]byte, logSize), make([]byte, logSize)
	m, err := cu.LoadDataEx(ptx, &cu.JITInfoLogBuffer{Buffer: info}, &cu.JITErrorLogBuffer{Buffer: errs})
	return handle[Module](m), with(failed("cuModuleLoadDataEx", err), "%s", dynlib.GoString(errs)+dynlib.GoString(info))
}

func (d *viaCu) ModuleUnload(m Module) error {
	return failed("cuModuleUnload", as[cu.Module](m).Unload())
}

func (d *viaCu) ModuleFunction(m Module, name string) (Function, error) {
	f, err := as[cu.Module](m).Function(name)
	return handle[Function](f), with(failed("cuModuleGetFunction", err), "kernel %q", name)
}

func (d *viaCu) FunctionParams(f Function) ([]int, error) {
	var sizes []int
	for {
		var offset, size C.size_t
		err := direct("cuFuncGetParamInfo", C.cuFuncGetParamInfo(cFunction(f), C.size_t(len(sizes)), &offset, &size))
		if errors.Is(err, InvalidValue) { // after the last
			return sizes, nil
		}
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, int(size))
	}
}

func cFunction(f Function) C.CUfunction { return C.CUfunction(dynlib.Pointer(uintptr(f))) }
func cStream(s Stream) C.CUstream       { return C.CUstream(dynlib.Pointer(uintptr(s))) }
func cGraph(g Graph) C.CUgraph          { return C.CUgraph(dynlib.Pointer(uintptr(g))) }
func cExec(x GraphExec) C.CUgraphExec   { return C.CUgraphExec(dynlib.Pointer(uintptr(x))) }

func (d *viaCu) FunctionAttribute(a FunctionAttribute, f Function) (int, error) {
	v, err := as[cu.Function](f).Attribute(cu.FunctionAttribute(a))
	return v, failed("cuFuncGetAttribute", err)
}

func (d *viaCu) SetFunctionAttribute(a FunctionAttribute, f Function, value int) error {
	return direct("cuFuncSetAttribute", C.cuFuncSetAttribute(cFunction(f), C.CUfunction_attribute(a), C.int(value)))
}

// Launch makes cu copy the arguments to C memory; it copies eight bytes of each.
func (d *viaCu) Launch(f Function, c *Config, params []unsafe.Pointer) error {
	g, b := c.Grid, c.Block
	return failed("cuLaunchKernel", as[cu.Function](f).Launch(int(g.X), int(g.Y), int(g.Z), int(b.X), int(b.Y), int(b.Z),
		int(c.Shared), as[cu.Stream](c.Stream), params))
}

func (d *viaCu) CaptureBegin(s Stream) error {
	return direct("cuStreamBeginCapture", C.cuStreamBeginCapture(cStream(s), C.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))
}

func (d *viaCu) CaptureEnd(s Stream) (Graph, error) {
	var g C.CUgraph
	err := direct("cuStreamEndCapture", C.cuStreamEndCapture(cStream(s), &g))
	return Graph(unsafe.Pointer(g)), err
}

func (d *viaCu) GraphInstantiate(g Graph) (GraphExec, error) {
	var x C.CUgraphExec
	log := make([]byte, logSize)
	err := direct("cuGraphInstantiate", C.cuGraphInstantiate(&x, cGraph(g), nil, (*C.char)(unsafe.Pointer(&log[0])), logSize))
	return GraphExec(unsafe.Pointer(x)), with(err, "%s", dynlib.GoString(log))
}

func (d *viaCu) GraphLaunch(x GraphExec, s Stream) error {
	return direct("cuGraphLaunch", C.cuGraphLaunch(cExec(x), cStream(s)))
}

func (d *viaCu) GraphDestroy(g Graph) error {
	return direct("cuGraphDestroy", C.cuGraphDestroy(cGraph(g)))
}

func (d *viaCu) GraphExecDestroy(x GraphExec) error {
	return direct("cuGraphExecDestroy", C.cuGraphExecDestroy(cExec(x)))
}
