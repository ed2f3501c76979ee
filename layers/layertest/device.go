package layertest

import (
	"math"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

// DeviceVariable is the environment variable with the number of the GPU on which
// layers are set up by this package that are given no other. Without it they run on
// the host. So all tests of layers run on a GPU, with GOCAFFE_DEVICE=0 go test.
const DeviceVariable = "GOCAFFE_DEVICE"

// envDevice is the GPU of DeviceVariable, which stays open, or nil.
var envDevice = sync.OnceValues(func() (*cuda.Device, error) {
	text := os.Getenv(DeviceVariable)
	if text == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	return cuda.Open(n)
})

// CheckDevice runs both passes of the layer that the text describes on the host
// and on a GPU, and fails the test unless the layer has a version for it and the
// results agree: to tolerance times the largest magnitude in their array, or to
// tolerance if that is below 1.
func CheckDevice(t testing.TB, d *cuda.Device, tolerance float64, text string, bottom ...*blob.Blob) {
	t.Helper()
	f, err := SetUp(&layers.Env{Device: d}, text, bottom...)
	if err != nil {
		t.Fatal(err)
	}
	if f.Spec.Env.DeviceMode(f.Layer) == layers.OnHost {
		t.Errorf("type %s runs on the host", f.Info.Type)
	}
	f.Close()
	want := passes(t, new(layers.Env), text, bottom)
	for i, r := range passes(t, &layers.Env{Device: d}, text, bottom) {
		scale := 1.0
		for _, v := range want[i].values {
			scale = max(scale, math.Abs(float64(v)))
		}
		for k, v := range r.values {
			w := want[i].values[k]
			if !(math.Abs(float64(v-w)) <= tolerance*scale) && v != w { // so written, NaN fails
				t.Errorf("%s[%d] is %g on the device and %g on the host", r.name, k, v, w)
				break
			}
		}
	}
}
