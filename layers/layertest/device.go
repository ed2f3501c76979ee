package layertest

import (
	"errors"
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
// tolerance if that is below 1. Passes that are Recordable are recorded and played
// too, with other numbers in the bottoms each time.
func CheckDevice(t testing.TB, d *cuda.Device, tolerance float64, text string, bottom ...*blob.Blob) {
	t.Helper()
	onHost, onDevice := copied(t, new(layers.Env), text, bottom), copied(t, &layers.Env{Device: d}, text, bottom)
	defer onHost.Close()
	defer onDevice.Close()
	env, typ, rounds := onDevice.Spec.Env, onDevice.Info.Type, 1
	switch layers.ModeOf(onDevice.Layer) {
	case layers.OnHost:
		t.Errorf("type %s runs on the host", typ)
	case layers.Recordable:
		rounds = 3 // as it is, recorded, played
	}
	var forward, backward replay
	for round := range rounds {
		for i, b := range bottom {
			rotate(onHost.Bottom[i].MutableData(), b.Data(), round)
			rotate(onDevice.Bottom[i].MutableData(), b.Data(), round)
		}
		onHost.Spec.Env.Pass, env.Pass = int64(round), int64(round)
		env.UpdateDevice()
		want := pass(t, onHost, onHost.Forward, onHost.Backward)
		got := pass(t, onDevice,
			func() error { return forward.run(d, onDevice.forward) },
			func() error { return backward.run(d, onDevice.Backward) })
		compare(t, tolerance, got, want)
	}
	if err := errors.Join(forward.Reset(), backward.Reset()); err != nil {
		t.Error(err)
	}
	if rounds > 1 && (forward.ran != 2 || backward.ran != 2) {
		t.Errorf("the passes of type %s are not Recordable as it says: of %d forward passes %d ran, and %d backward, want 2",
			typ, rounds, forward.ran, backward.ran)
	}
}

// replay is a cuda.Replay that counts how often it runs its work as it is or to
// record it.
type replay struct {
	cuda.Replay
	ran int
}

func (r *replay) run(d *cuda.Device, work func() error) error {
	return r.Run(d, func() error {
		r.ran++
		return work()
	})
}

// rotate sets dst to src, begun at another place in each round.
func rotate(dst, src []float32, round int) {
	if len(src) == 0 {
		return
	}
	k := round * 7 % len(src)
	copy(dst[copy(dst, src[k:]):], src)
}

// compare fails the test unless the results agree as CheckDevice says.
func compare(t testing.TB, tolerance float64, got, want []result) {
	t.Helper()
	for i, r := range got {
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
