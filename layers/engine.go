package layers

import "fmt"

// An Engine decides in which order a net adds up products, as the engine fields of
// Caffe's files do for single layers.
type Engine int

const (
	// DefaultEngine is the fastest way. Convolutions of 3x3 and 5x5 kernels use
	// Winograd's algorithm, unless their layer has engine: CAFFE, and cuDNN's on a GPU.
	DefaultEngine Engine = iota

	// CaffeEngine computes every convolution as if its layer had engine: CAFFE: each
	// output is one sum over channels, kernel rows and kernel columns, in this order,
	// to which the bias is added at the end. Equal patches of an image so have equal
	// outputs, which decides ties in the max pooling after them as in Caffe.
	CaffeEngine
)

// engineNames are the names of the engines, as ParseEngine takes them.
var engineNames = [...]string{DefaultEngine: "default", CaffeEngine: "caffe"}

// String returns the name: default or caffe.
func (e Engine) String() string {
	if e < 0 || int(e) >= len(engineNames) {
		return fmt.Sprintf("Engine(%d)", int(e))
	}
	return engineNames[e]
}

// ParseEngine returns the engine of the given name.
func ParseEngine(name string) (Engine, error) {
	for e, n := range engineNames {
		if n == name {
			return Engine(e), nil
		}
	}
	return 0, fmt.Errorf("engine is %q, want default or caffe", name)
}
