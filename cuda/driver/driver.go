// Package driver provides the part of the CUDA driver API (libcuda, which comes with
// the display driver) that gocaffe needs, as an interface. It builds without CUDA,
// and programs start without a driver: Open then returns an error that says what was
// looked for.
//
// The driver has one current context for each operating-system thread. All
// methods except those about devices and the driver itself work in the context
// that is current on the calling thread. A caller therefore locks a goroutine to
// its thread (runtime.LockOSThread) and calls SetCurrent before each group of
// calls, or once if the goroutine stays locked.
//
// Methods whose names end in Async, and Launch, EventRecord, StreamWaitEvent and
// GraphLaunch, only queue work in a stream. A stream runs its work in the order of
// the calls. An error of the work may be returned by any later call.
package driver

import "unsafe"

// Handles of the driver's objects. Zero is none, except for Stream, where it is the
// default stream. Streams made by StreamCreate do not wait for that.
type (
	Device    int32   // number of a device: 0 is the first
	Context   uintptr // CUcontext
	Stream    uintptr // CUstream
	Event     uintptr // CUevent
	Module    uintptr // CUmodule
	Function  uintptr // CUfunction
	Graph     uintptr // CUgraph
	GraphExec uintptr // CUgraphExec
)

// Ptr is an address in a device's memory. Arithmetic on it is in bytes.
type Ptr uintptr

// Dim is an extent in up to three dimensions; none may be zero in a launch.
type Dim struct{ X, Y, Z uint32 }

// Config is the configuration of a launch.
type Config struct {
	Grid   Dim    // blocks
	Block  Dim    // threads of a block
	Shared uint32 // bytes of dynamic shared memory
	Stream Stream
}

// Driver is the driver API. Several threads may call its methods.
type Driver interface {
	// Library returns the file that was opened, as it was named to the loader.
	Library() string
	// Version returns the newest CUDA version that the driver supports: 12040 is 12.4.
	Version() int

	// DeviceCount returns the number of devices.
	DeviceCount() (int, error)
	// DeviceName returns the name of the product: "NVIDIA A100-SXM4-40GB".
	DeviceName(d Device) (string, error)
	// DeviceTotalMem returns the size of the device's memory in bytes.
	DeviceTotalMem(d Device) (uint64, error)
	// DeviceAttribute returns a property of the device.
	DeviceAttribute(a Attribute, d Device) (int, error)

	// PrimaryRetain returns the context of a device that all libraries in the
	// process share (cuBLAS and cuDNN use it too). Each PrimaryRetain needs a
	// PrimaryRelease. The last one destroys the context and everything in it.
	PrimaryRetain(d Device) (Context, error)
	// PrimaryRelease ends one PrimaryRetain.
	PrimaryRelease(d Device) error
	// SetCurrent makes c, which may be zero for none, the current context of the
	// calling thread.
	SetCurrent(c Context) error
	// Synchronize waits for all work in the current context.
	Synchronize() error

	// StreamCreate makes a stream that does not wait for the default stream.
	StreamCreate() (Stream, error)
	// StreamDestroy destroys s once its work is done; it does not wait for that.
	StreamDestroy(s Stream) error
	// StreamSynchronize waits for all work of s.
	StreamSynchronize(s Stream) error
	// StreamWaitEvent makes later work in s wait for the last EventRecord of e.
	StreamWaitEvent(s Stream, e Event) error

	// EventCreate makes an event; EventElapsed needs events with timing. A thread
	// that waits for the event sleeps, unlike one that waits for a stream.
	EventCreate(timing bool) (Event, error)
	// EventDestroy destroys e.
	EventDestroy(e Event) error
	// EventRecord queues e in s, after the work that is there.
	EventRecord(e Event, s Stream) error
	// EventSynchronize waits for the work before the last EventRecord.
	EventSynchronize(e Event) error
	// EventDone reports whether the work before the last EventRecord is done.
	EventDone(e Event) (bool, error)
	// EventElapsed returns the milliseconds from one recorded event to another.
	EventElapsed(start, end Event) (float32, error)

	// MemAlloc allocates memory of the current context's device.
	MemAlloc(bytes uint64) (Ptr, error)
	// MemFree frees what MemAlloc returned.
	MemFree(p Ptr) error
	// MemInfo returns the bytes that the current context's device has.
	MemInfo() (free, total uint64, err error)
	// Memset32Async writes the 32 bits of value n times; p is a multiple of 4.
	Memset32Async(p Ptr, value uint32, n uint64, s Stream) error

	// CopyToDevice copies from the host. It returns when the bytes have arrived,
	// and does not wait for the streams of StreamCreate.
	CopyToDevice(dst Ptr, src unsafe.Pointer, bytes uint64) error
	// CopyToHost is CopyToDevice in the other direction.
	CopyToHost(dst unsafe.Pointer, src Ptr, bytes uint64) error
	// CopyOnDevice is CopyToDevice within the device's memory.
	CopyOnDevice(dst, src Ptr, bytes uint64) error
	// CopyToDeviceAsync queues a copy in s. Host memory must come from HostAlloc:
	// Go may not hold the address of its own memory outside of a call.
	CopyToDeviceAsync(dst Ptr, src unsafe.Pointer, bytes uint64, s Stream) error
	// CopyToHostAsync is CopyToDeviceAsync in the other direction.
	CopyToHostAsync(dst unsafe.Pointer, src Ptr, bytes uint64, s Stream) error
	// CopyOnDeviceAsync is CopyToDeviceAsync within the device's memory.
	CopyOnDeviceAsync(dst, src Ptr, bytes uint64, s Stream) error

	// HostAlloc returns pinned host memory, which is not Go's. HostFree frees it.
	HostAlloc(bytes uint64) (unsafe.Pointer, error)
	// HostFree frees what HostAlloc returned.
	HostFree(p unsafe.Pointer) error

	// ModuleLoad compiles PTX for the device of the current context. The error
	// contains the compiler's messages.
	ModuleLoad(ptx string) (Module, error)
	// ModuleUnload unloads a module and its kernels.
	ModuleUnload(m Module) error
	// ModuleFunction finds a kernel of a module by its name.
	ModuleFunction(m Module, name string) (Function, error)
	// FunctionParams returns the sizes of a kernel's parameters in bytes. Drivers
	// before 12.4 do not support it: NotSupported.
	FunctionParams(f Function) ([]int, error)
	// FunctionAttribute returns a property of a kernel.
	FunctionAttribute(a FunctionAttribute, f Function) (int, error)
	// SetFunctionAttribute changes a property of a kernel.
	SetFunctionAttribute(a FunctionAttribute, f Function, value int) error

	// Launch queues a kernel. params[i] points to argument i, in the size and
	// alignment of the kernel's parameter; Launch reads the values before it
	// returns. It does not allocate if the caller reuses params and what it
	// points to.
	Launch(f Function, c *Config, params []unsafe.Pointer) error

	// CaptureBegin makes s record work instead of running it, until CaptureEnd.
	// Other threads are not restricted (thread local mode).
	CaptureBegin(s Stream) error
	// CaptureEnd returns what s has recorded since CaptureBegin.
	CaptureEnd(s Stream) (Graph, error)
	// GraphInstantiate prepares a recorded graph for GraphLaunch.
	GraphInstantiate(g Graph) (GraphExec, error)
	// GraphLaunch puts the work of a graph into s.
	GraphLaunch(x GraphExec, s Stream) error
	// GraphDestroy destroys a graph; what GraphInstantiate made of it stays.
	GraphDestroy(g Graph) error
	// GraphExecDestroy destroys what GraphInstantiate made.
	GraphExecDestroy(x GraphExec) error
}

// Attribute is an attribute of a device (CUdevice_attribute).
type Attribute int32

// Attributes of devices, with the driver's numbers.
const (
	MaxThreadsPerBlock   Attribute = 1
	SharedMemoryPerBlock Attribute = 8 // bytes without SetFunctionAttribute
	WarpSize             Attribute = 10
	RegistersPerBlock    Attribute = 12
	ClockRate            Attribute = 13 // kHz
	MultiprocessorCount  Attribute = 16
	KernelTimeout        Attribute = 17 // 1: kernels may not run for seconds, since a display uses the device
	Integrated           Attribute = 18 // 1: the device shares the host's memory
	ComputeMode          Attribute = 20 // 0: everyone may use it; 2: no one
	MemoryClockRate      Attribute = 36 // kHz
	MemoryBusWidth       Attribute = 37 // bits
	L2CacheSize          Attribute = 38 // bytes
	CapabilityMajor      Attribute = 75
	CapabilityMinor      Attribute = 76
	SharedMemoryOptin    Attribute = 97 // bytes with SetFunctionAttribute
)

// FunctionAttribute is an attribute of a kernel (CUfunction_attribute).
type FunctionAttribute int32

// Attributes of kernels, with the driver's numbers.
const (
	FunctionMaxThreads   FunctionAttribute = 0
	FunctionStaticShared FunctionAttribute = 1 // bytes
	FunctionLocal        FunctionAttribute = 3 // bytes of a thread, such as for spilled registers
	FunctionRegisters    FunctionAttribute = 4
	FunctionMaxShared    FunctionAttribute = 8 // bytes of dynamic shared memory; can be set
)
