// Package cuda runs layers on an NVIDIA GPU: it has the memory, the copies, the
// kernels, and the recording of passes. It is built on package cuda/driver, so it
// builds without CUDA, and programs start without a driver.
//
// # Kernels
//
// A kernel is written in a .cu file beside its layer that includes
// cuda/kernel/gpu.h. make ptx compiles it to PTX, which is compressed and embedded:
//
//	//go:embed relu.ptx.gz
//	var reluPTX string
//
//	var (
//		reluModule  = cuda.NewModule(reluPTX)
//		reluForward = reluModule.Kernel("relu_forward")
//	)
//
//	d.Launch(reluForward, cuda.Each(n), x.DeviceData(d), y.MutableDeviceData(d), slope, n)
//
// # Errors
//
// Most methods of a Device return no error. The Device keeps the first error and
// does nothing from then on; the net that runs the layers asks for it with Check. So
// a layer is a list of launches, as short as its formula.
//
// # Order
//
// All work is queued on one stream and runs in that order. The host waits only in
// Sync, and where it reads results (blob.Data). An Upload copies on a stream of its
// own.
//
// # Threads
//
// The driver has a current context for each thread of the operating system. Every
// method locks its goroutine to a thread and makes its context current there, which
// takes 0.3 µs, so any goroutine may call it. Only one goroutine at a time may use a
// Device, except for Free, ToDevice, ToHost and Upload.Fill.
package cuda
