// Package cuda is an NVIDIA GPU as layers see it: memory, kernels, copies, and
// passes that are recorded and played again. It is built on package
// cuda/driver and, as that, needs nothing to be built and no driver to start.
//
// # Kernels
//
// A kernel is written in a .cu file beside its layer, with the words of
// cuda/kernel/gpu.h, compiled to PTX ahead of time (make ptx), compressed and embedded:
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
// Most methods of a Device return no error. The first error is kept, everything
// after it does nothing, and who runs the layers asks for it with Check. So a
// layer is a list of launches, as short as its formula.
//
// # Order
//
// A device does what it is told in the order in which it was told, on one
// stream, some time later. Sync waits; so does reading numbers on the host
// (blob.Data). An Upload copies beside that stream.
//
// # Threads
//
// The driver knows a current context for each thread of the operating system.
// Every method makes its own current while it works, locked to the thread for so
// long: 0.3 µs a call, and any goroutine may call. A Device is for one
// goroutine at a time, but for Free and for the methods of an Upload.
package cuda
