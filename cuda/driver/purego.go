//go:build !gorgonia

package driver

import (
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// newDriver initializes an open library.
func newDriver(lib *dynlib.Library) (Driver, error) {
	d := &native{lib: lib, args: sync.Pool{New: func() any { return new([launchArgs]uintptr) }}}
	if err := d.call(cuInit, 0); err != nil {
		return nil, err
	}
	var version int32
	err := d.call(cuDriverGetVersion, uintptr(unsafe.Pointer(&version)))
	d.version = int(version)
	return d, err
}

// native calls the driver's library.
type native struct {
	lib     *dynlib.Library
	version int
	addr    [symbols]atomic.Uintptr // looked up on first use
	args    sync.Pool               // of *[launchArgs]uintptr
}

const launchArgs = 11 // of the function with the most

// call calls a function. Addresses of Go memory must be converted to uintptr in
// the argument list.
//
//go:uintptrescapes
func (d *native) call(f symbol, args ...uintptr) error { return d.callSlice(f, args) }

func (d *native) callSlice(f symbol, args []uintptr) error {
	addr := d.addr[f].Load()
	if addr == 0 {
		var err error
		if addr, err = d.lib.Symbol(exported[f]); err != nil {
			return &Error{Call: exported[f], Code: NotSupported, Detail: err.Error() + ": a newer NVIDIA driver may have it"}
		}
		d.addr[f].Store(addr)
	}
	if code := Result(dynlib.CallSlice(addr, args)); code != Success {
		return &Error{Call: exported[f], Code: code}
	}
	return nil
}

// hot is call without an allocation, for the calls of an iteration. Functions with
// fewer arguments ignore the rest.
//
//go:uintptrescapes
func (d *native) hot(f symbol, a, b, c, e uintptr) error {
	args := d.args.Get().(*[launchArgs]uintptr)
	defer d.args.Put(args)
	args[0], args[1], args[2], args[3] = a, b, c, e
	return d.callSlice(f, args[:4])
}

func (d *native) Library() string { return d.lib.Name() }
func (d *native) Version() int    { return d.version }

func (d *native) DeviceCount() (int, error) {
	var n int32
	err := d.call(cuDeviceGetCount, uintptr(unsafe.Pointer(&n)))
	return int(n), err
}

func (d *native) DeviceName(dev Device) (string, error) {
	var name [256]byte
	err := d.call(cuDeviceGetName, uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), uintptr(dev))
	return dynlib.GoString(name[:]), err
}

func (d *native) DeviceTotalMem(dev Device) (uint64, error) {
	var n uint64
	err := d.call(cuDeviceTotalMem, uintptr(unsafe.Pointer(&n)), uintptr(dev))
	return n, err
}

func (d *native) DeviceAttribute(a Attribute, dev Device) (int, error) {
	var n int32
	err := d.call(cuDeviceGetAttribute, uintptr(unsafe.Pointer(&n)), uintptr(a), uintptr(dev))
	return int(n), err
}

func (d *native) PrimaryRetain(dev Device) (c Context, err error) {
	err = d.call(cuDevicePrimaryCtxRetain, uintptr(unsafe.Pointer(&c)), uintptr(dev))
	return c, err
}

func (d *native) PrimaryRelease(dev Device) error {
	return d.call(cuDevicePrimaryCtxRelease, uintptr(dev))
}

func (d *native) SetCurrent(c Context) error { return d.hot(cuCtxSetCurrent, uintptr(c), 0, 0, 0) }
func (d *native) Synchronize() error         { return d.call(cuCtxSynchronize) }

func (d *native) StreamCreate() (s Stream, err error) {
	const nonBlocking = 1 // CU_STREAM_NON_BLOCKING
	err = d.call(cuStreamCreate, uintptr(unsafe.Pointer(&s)), nonBlocking)
	return s, err
}

func (d *native) StreamDestroy(s Stream) error { return d.call(cuStreamDestroy, uintptr(s)) }
func (d *native) StreamSynchronize(s Stream) error {
	return d.hot(cuStreamSynchronize, uintptr(s), 0, 0, 0)
}

func (d *native) StreamWaitEvent(s Stream, e Event) error {
	return d.hot(cuStreamWaitEvent, uintptr(s), uintptr(e), 0, 0)
}

func (d *native) EventCreate(timing bool) (e Event, err error) {
	flags := uintptr(1) // CU_EVENT_BLOCKING_SYNC
	if !timing {
		flags |= 2 // CU_EVENT_DISABLE_TIMING
	}
	err = d.call(cuEventCreate, uintptr(unsafe.Pointer(&e)), flags)
	return e, err
}

func (d *native) EventDestroy(e Event) error { return d.call(cuEventDestroy, uintptr(e)) }
func (d *native) EventRecord(e Event, s Stream) error {
	return d.hot(cuEventRecord, uintptr(e), uintptr(s), 0, 0)
}
func (d *native) EventSynchronize(e Event) error {
	return d.hot(cuEventSynchronize, uintptr(e), 0, 0, 0)
}

func (d *native) EventDone(e Event) (bool, error) {
	err := d.hot(cuEventQuery, uintptr(e), 0, 0, 0)
	if errors.Is(err, NotReady) {
		return false, nil
	}
	return err == nil, err
}

func (d *native) EventElapsed(start, end Event) (float32, error) {
	var ms float32
	err := d.call(cuEventElapsedTime, uintptr(unsafe.Pointer(&ms)), uintptr(start), uintptr(end))
	return ms, err
}

func (d *native) MemAlloc(bytes uint64) (p Ptr, err error) {
	err = d.call(cuMemAlloc, uintptr(unsafe.Pointer(&p)), uintptr(bytes))
	return p, noMemory(d, err, bytes)
}

func (d *native) MemFree(p Ptr) error { return d.call(cuMemFree, uintptr(p)) }

func (d *native) MemInfo() (free, total uint64, err error) {
	err = d.call(cuMemGetInfo, uintptr(unsafe.Pointer(&free)), uintptr(unsafe.Pointer(&total)))
	return free, total, err
}

func (d *native) Memset32Async(p Ptr, value uint32, n uint64, s Stream) error {
	return d.hot(cuMemsetD32Async, uintptr(p), uintptr(value), uintptr(n), uintptr(s))
}

// CopyToDevice waits for the default stream: the driver may return while the bytes
// are still in a buffer of its own.
func (d *native) CopyToDevice(dst Ptr, src unsafe.Pointer, bytes uint64) error {
	if err := d.hot(cuMemcpyHtoD, uintptr(dst), uintptr(src), uintptr(bytes), 0); err != nil {
		return err
	}
	return d.StreamSynchronize(0)
}

func (d *native) CopyToHost(dst unsafe.Pointer, src Ptr, bytes uint64) error {
	return d.hot(cuMemcpyDtoH, uintptr(dst), uintptr(src), uintptr(bytes), 0)
}

// CopyOnDevice waits for the default stream: the driver does not.
func (d *native) CopyOnDevice(dst, src Ptr, bytes uint64) error {
	if err := d.hot(cuMemcpyDtoD, uintptr(dst), uintptr(src), uintptr(bytes), 0); err != nil {
		return err
	}
	return d.StreamSynchronize(0)
}

func (d *native) CopyToDeviceAsync(dst Ptr, src unsafe.Pointer, bytes uint64, s Stream) error {
	return d.hot(cuMemcpyHtoDAsync, uintptr(dst), uintptr(src), uintptr(bytes), uintptr(s))
}

func (d *native) CopyToHostAsync(dst unsafe.Pointer, src Ptr, bytes uint64, s Stream) error {
	return d.hot(cuMemcpyDtoHAsync, uintptr(dst), uintptr(src), uintptr(bytes), uintptr(s))
}

func (d *native) CopyOnDeviceAsync(dst, src Ptr, bytes uint64, s Stream) error {
	return d.hot(cuMemcpyDtoDAsync, uintptr(dst), uintptr(src), uintptr(bytes), uintptr(s))
}

func (d *native) HostAlloc(bytes uint64) (unsafe.Pointer, error) {
	const portable = 1 // CU_MEMHOSTALLOC_PORTABLE: pinned for every context
	var p uintptr
	if err := d.call(cuMemHostAlloc, uintptr(unsafe.Pointer(&p)), uintptr(bytes), portable); err != nil {
		return nil, with(err, "wanted %d bytes of pinned host memory", bytes)
	}
	return dynlib.Pointer(p), nil
}

func (d *native) HostFree(p unsafe.Pointer) error { return d.call(cuMemFreeHost, uintptr(p)) }

func (d *native) ModuleLoad(ptx string) (m Module, err error) {
	const infoLog, infoSize, errorLog, errorSize = 3, 4, 5, 6 // CU_JIT_...
	var info, errs [logSize]byte
	options := [...]int32{infoLog, infoSize, errorLog, errorSize}
	values := struct { // an array of void*, in which a size is stored as such
		info     *byte
		infoSize uintptr
		errs     *byte
		errsSize uintptr
	}{&info[0], logSize, &errs[0], logSize}
	err = d.call(cuModuleLoadDataEx, uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(dynlib.CString(ptx))),
		uintptr(len(options)), uintptr(unsafe.Pointer(&options)), uintptr(unsafe.Pointer(&values)))
	return m, with(err, "%s", dynlib.GoString(errs[:])+dynlib.GoString(info[:]))
}

func (d *native) ModuleUnload(m Module) error { return d.call(cuModuleUnload, uintptr(m)) }

func (d *native) ModuleFunction(m Module, name string) (f Function, err error) {
	err = d.call(cuModuleGetFunction, uintptr(unsafe.Pointer(&f)), uintptr(m), uintptr(unsafe.Pointer(dynlib.CString(name))))
	return f, with(err, "kernel %q", name)
}

func (d *native) FunctionParams(f Function) ([]int, error) {
	var sizes []int
	for {
		var offset, size uintptr
		err := d.call(cuFuncGetParamInfo, uintptr(f), uintptr(len(sizes)), uintptr(unsafe.Pointer(&offset)), uintptr(unsafe.Pointer(&size)))
		if errors.Is(err, InvalidValue) { // after the last
			return sizes, nil
		}
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, int(size))
	}
}

func (d *native) FunctionAttribute(a FunctionAttribute, f Function) (int, error) {
	var n int32
	err := d.call(cuFuncGetAttribute, uintptr(unsafe.Pointer(&n)), uintptr(a), uintptr(f))
	return int(n), err
}

func (d *native) SetFunctionAttribute(a FunctionAttribute, f Function, value int) error {
	return d.call(cuFuncSetAttribute, uintptr(f), uintptr(a), uintptr(value))
}

func (d *native) Launch(f Function, c *Config, params []unsafe.Pointer) error {
	return d.launch(f, c, uintptr(unsafe.Pointer(unsafe.SliceData(params))))
}

// launch converts the address of the parameters in an argument list, as call does.
//
//go:uintptrescapes
func (d *native) launch(f Function, c *Config, params uintptr) error {
	args := d.args.Get().(*[launchArgs]uintptr)
	defer d.args.Put(args)
	*args = [...]uintptr{uintptr(f),
		uintptr(c.Grid.X), uintptr(c.Grid.Y), uintptr(c.Grid.Z),
		uintptr(c.Block.X), uintptr(c.Block.Y), uintptr(c.Block.Z),
		uintptr(c.Shared), uintptr(c.Stream), params, 0}
	return d.callSlice(cuLaunchKernel, args[:])
}

func (d *native) CaptureBegin(s Stream) error {
	const threadLocal = 1 // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
	return d.call(cuStreamBeginCapture, uintptr(s), threadLocal)
}

func (d *native) CaptureEnd(s Stream) (g Graph, err error) {
	err = d.call(cuStreamEndCapture, uintptr(s), uintptr(unsafe.Pointer(&g)))
	return g, err
}

func (d *native) GraphInstantiate(g Graph) (x GraphExec, err error) {
	var log [logSize]byte
	err = d.call(cuGraphInstantiate, uintptr(unsafe.Pointer(&x)), uintptr(g), 0, uintptr(unsafe.Pointer(&log)), uintptr(len(log)))
	return x, with(err, "%s", dynlib.GoString(log[:]))
}

func (d *native) GraphLaunch(x GraphExec, s Stream) error {
	return d.hot(cuGraphLaunch, uintptr(x), uintptr(s), 0, 0)
}

func (d *native) GraphDestroy(g Graph) error { return d.call(cuGraphDestroy, uintptr(g)) }
func (d *native) GraphExecDestroy(x GraphExec) error {
	return d.call(cuGraphExecDestroy, uintptr(x))
}
