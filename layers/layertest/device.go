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
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
)

// DeviceVariable is the environment variable with the number of a GPU. If it is set,
// New and Golden set up layers on that GPU instead of the host, so that
// GOCAFFE_DEVICE=0 go test runs all tests of layers on it.
const DeviceVariable = cudatest.Variable

// envDevice opens the GPU of DeviceVariable, once and for good; it returns nil if
// the variable is not set.
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
// and on a GPU. It fails the test if the layer has no GPU code, or if an element
// differs by more than tolerance times the largest magnitude in its array, or than
// tolerance if that magnitude is below 1. Passes that are Recordable are also
// recorded and replayed, with other values in the bottoms each time.
func CheckDevice(t testing.TB, d *cuda.Device, tolerance float64, text string, bottom ...*blob.Blob) {
	t.Helper()
	onHost, onDevice := copied(t, new(layers.Env), text, bottom), copied(t, &layers.Env{Device: d}, text, bottom)
	defer onHost.Close()
	defer onDevice.Close()
	env, typ, rounds := onDevice.Spec.Env, onDevice.Info.Type, 1
	switch layers.ModeOf(onDevice.Layer) {
	case layers.OnHost:
		t.Errorf("type %s has no GPU code, it runs on the host", typ)
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
		t.Errorf("type %s claims that its passes are Recordable: of %d forward and backward passes %d and %d ran, want 2 and 2",
			typ, rounds, forward.ran, backward.ran)
	}
	if !t.Failed() {
		record(nameOf(onHost.Info), Device)
	}
}

// replay is a cuda.Replay that counts how often it runs its work instead of a
// recording.
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

// rotate copies src to dst, starting at another element in each round.
func rotate(dst, src []float32, round int) {
	if len(src) == 0 {
		return
	}
	k := round * 7 % len(src)
	copy(dst[copy(dst, src[k:]):], src)
}

// compare fails the test unless the results agree as CheckDevice demands.
func compare(t testing.TB, tolerance float64, got, want []result) {
	t.Helper()
	for i, r := range got {
		scale := 1.0
		for _, v := range want[i].values {
			scale = max(scale, math.Abs(float64(v)))
		}
		for k, v := range r.values {
			w := want[i].values[k]
			if !(math.Abs(float64(v-w)) <= tolerance*scale) && v != w { // true for NaN too
				t.Errorf("%s, %s is %g on the device and %g on the host", r.name, element(k, r.shape), v, w)
				break
			}
		}
	}
}
