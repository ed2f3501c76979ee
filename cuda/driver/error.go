package driver

import (
	"errors"
	"fmt"
	"strings"
)

// Result is a code that the driver returns (CUresult). It is an error, as in
// errors.Is(err, driver.OutOfMemory).
type Result int32

// Results that callers distinguish, with the driver's numbers.
const (
	Success              Result = 0
	InvalidValue         Result = 1
	OutOfMemory          Result = 2
	NotInitialized       Result = 3
	Deinitialized        Result = 4
	StubLibrary          Result = 34
	DeviceUnavailable    Result = 46
	NoDevice             Result = 100
	InvalidDevice        Result = 101
	InvalidImage         Result = 200
	InvalidContext       Result = 201
	NoBinaryForGPU       Result = 209
	InvalidPTX           Result = 218
	UnsupportedPTX       Result = 222
	InvalidHandle        Result = 400
	NotFound             Result = 500
	NotReady             Result = 600
	IllegalAddress       Result = 700
	LaunchOutOfResources Result = 701
	LaunchTimeout        Result = 702
	LaunchFailed         Result = 719
	NotSupported         Result = 801
	SystemNotReady       Result = 802
	SystemDriverMismatch Result = 803
	CompatNotSupported   Result = 804
	CaptureUnsupported   Result = 900 // 900 to 908 are about captured work
	CaptureInvalidated   Result = 901
	CaptureMerge         Result = 902
	CaptureUnmatched     Result = 903
	CaptureUnjoined      Result = 904
	CaptureIsolation     Result = 905
	CaptureImplicit      Result = 906
	CapturedEvent        Result = 907
	CaptureWrongThread   Result = 908
	Unknown              Result = 999
)

// results has the driver's name and the meaning of each code.
var results = map[Result]struct{ name, text string }{
	Success:              {"CUDA_SUCCESS", "no error"},
	InvalidValue:         {"CUDA_ERROR_INVALID_VALUE", "invalid argument"},
	OutOfMemory:          {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
	NotInitialized:       {"CUDA_ERROR_NOT_INITIALIZED", "the driver is not initialized"},
	Deinitialized:        {"CUDA_ERROR_DEINITIALIZED", "the driver is shutting down"},
	StubLibrary:          {"CUDA_ERROR_STUB_LIBRARY", "the library is a stub for linking, not a driver"},
	DeviceUnavailable:    {"CUDA_ERROR_DEVICE_UNAVAILABLE", "the device is in use by another process"},
	NoDevice:             {"CUDA_ERROR_NO_DEVICE", "no CUDA device"},
	InvalidDevice:        {"CUDA_ERROR_INVALID_DEVICE", "there is no such device"},
	InvalidImage:         {"CUDA_ERROR_INVALID_IMAGE", "the kernels' image is invalid"},
	InvalidContext:       {"CUDA_ERROR_INVALID_CONTEXT", "no context is current on this thread"},
	NoBinaryForGPU:       {"CUDA_ERROR_NO_BINARY_FOR_GPU", "the kernels are not for this device"},
	InvalidPTX:           {"CUDA_ERROR_INVALID_PTX", "the driver cannot compile the kernels"},
	UnsupportedPTX:       {"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the driver is too old for the kernels"},
	InvalidHandle:        {"CUDA_ERROR_INVALID_HANDLE", "invalid handle"},
	NotFound:             {"CUDA_ERROR_NOT_FOUND", "not found"},
	NotReady:             {"CUDA_ERROR_NOT_READY", "not finished yet"},
	IllegalAddress:       {"CUDA_ERROR_ILLEGAL_ADDRESS", "a kernel read or wrote an illegal address"},
	LaunchOutOfResources: {"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "the kernel needs too many registers or threads"},
	LaunchTimeout:        {"CUDA_ERROR_LAUNCH_TIMEOUT", "the kernel ran too long; does a display use this device?"},
	LaunchFailed:         {"CUDA_ERROR_LAUNCH_FAILED", "a kernel failed"},
	NotSupported:         {"CUDA_ERROR_NOT_SUPPORTED", "not supported"},
	SystemNotReady:       {"CUDA_ERROR_SYSTEM_NOT_READY", "the system is not ready; are the driver's daemons running?"},
	SystemDriverMismatch: {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "the library and the kernel module are of different versions; restart the machine after an update of the driver"},
	CompatNotSupported:   {"CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", "the driver's compatibility package does not support this device"},
	CaptureUnsupported:   {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "not allowed while a stream is captured"},
	CaptureInvalidated:   {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "an earlier error ended the capture"},
	CaptureMerge:         {"CUDA_ERROR_STREAM_CAPTURE_MERGE", "two captures would become one"},
	CaptureUnmatched:     {"CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "the capture was not begun in this stream"},
	CaptureUnjoined:      {"CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "captured work was not joined to the stream that began the capture"},
	CaptureIsolation:     {"CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "captured work depends on work that is not captured"},
	CaptureImplicit:      {"CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", "captured work depends on the default stream"},
	CapturedEvent:        {"CUDA_ERROR_CAPTURED_EVENT", "the event was recorded in a capture"},
	CaptureWrongThread:   {"CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "the capture was begun by another thread"},
	Unknown:              {"CUDA_ERROR_UNKNOWN", "unknown error"},
}

// Error returns the meaning, the name and the number of the code.
func (r Result) Error() string {
	if known, ok := results[r]; ok {
		return fmt.Sprintf("%s (%s, %d)", known.text, known.name, int32(r))
	}
	return fmt.Sprintf("CUDA error %d", int32(r))
}

// Broken reports whether an error with this code makes the context unusable: a kernel
// failed, or the memory has an error that cannot be corrected.
func (r Result) Broken() bool {
	switch r {
	case 214, IllegalAddress, LaunchTimeout, 710, 714, 715, 716, 717, 718, LaunchFailed:
		return true
	}
	return false
}

// An Error is a call of the driver that failed.
type Error struct {
	Call   string // the driver's function: "cuMemAlloc"
	Code   Result
	Detail string // what was requested, what to do, the compiler's messages; may be empty
}

// Error returns the call, the meaning of the code and the details.
func (e *Error) Error() string {
	s := e.Call + ": " + e.Code.Error()
	if e.Detail != "" {
		s += ": " + strings.TrimSpace(e.Detail)
	}
	return s
}

// Unwrap returns the code.
func (e *Error) Unwrap() error { return e.Code }

// with adds a detail to the error of a call.
func with(err error, format string, args ...any) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Detail = fmt.Sprintf(format, args...)
	}
	return err
}

// logSize is the size of the buffer for messages of the driver's compiler.
const logSize = 8192

// noMemory adds the free memory to an out-of-memory error.
func noMemory(d Driver, err error, bytes uint64) error {
	if errors.Is(err, OutOfMemory) {
		free, total, _ := d.MemInfo()
		return with(err, "wanted %d bytes on the device, where %d of %d are free", bytes, free, total)
	}
	return with(err, "wanted %d bytes on the device", bytes)
}
