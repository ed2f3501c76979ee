package cudatest

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
)

// Variable is the environment variable with the number of the GPU that tests use.
const Variable = "GOCAFFE_DEVICE"

// Number returns the number of the GPU in Variable. ok is false if that is not set.
func Number(t testing.TB) (number int, ok bool) {
	t.Helper()
	text := os.Getenv(Variable)
	if text == "" {
		return 0, false
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", Variable, err)
	}
	return number, true
}

// Available returns the error with which tests on a device are skipped on this
// machine, or nil if they run, on the GPU of Variable or the fake driver.
func Available() error {
	if os.Getenv(Variable) != "" || os.Getenv("CI") != "" {
		return nil
	}
	return fakeAvailable()
}

// Device opens a GPU for a test and closes it at the end: the GPU of Variable if that
// is set, and otherwise one of the fake driver with the given settings. A test with
// settings is skipped on the GPU of Variable, which does not support them.
func Device(t testing.TB, settings ...string) *cuda.Device {
	t.Helper()
	number, real := Number(t)
	if !real {
		Fake(t, settings...)
	} else if len(settings) > 0 {
		t.Skipf("SKIPPED: the test is for a fake device with %s", strings.Join(settings, " "))
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
