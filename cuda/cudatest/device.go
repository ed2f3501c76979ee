package cudatest

import (
	"os"
	"strconv"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
)

// Device opens a GPU for a test and closes it at the end: that of the environment
// variable GOCAFFE_DEVICE, if it is set, and else one of the fake driver with the
// given settings.
func Device(t testing.TB, settings ...string) *cuda.Device {
	t.Helper()
	number := 0
	if text := os.Getenv("GOCAFFE_DEVICE"); text != "" {
		var err error
		if number, err = strconv.Atoi(text); err != nil {
			t.Fatalf("GOCAFFE_DEVICE: %v", err)
		}
	} else {
		Fake(t, settings...)
	}
	d, err := cuda.Open(number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
