package cuda_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
)

// compressed returns the contents of a .ptx.gz file of the text.
func compressed(t *testing.T, text string) string {
	t.Helper()
	var data bytes.Buffer
	w := gzip.NewWriter(&data)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return data.String()
}

// TestModule runs a kernel from a plain and from a compressed PTX file. Damaged
// data are an error of the launch.
func TestModule(t *testing.T) {
	text, err := cuda.Math.PTX()
	if err != nil || !strings.Contains(text, ".entry math_axpby(") {
		t.Fatalf("the PTX of cuda.Math is %.100q, %v", text, err)
	}
	packed := compressed(t, text)
	damaged := []byte(packed)
	damaged[len(damaged)-5] ^= 1 // in the checksum
	for _, tt := range []struct {
		name, file, want string
	}{
		{"plain", text, ""},
		{"compressed", packed, ""},
		{"cut short", packed[:len(packed)/2], "kernel math_axpby: cannot decompress the PTX: unexpected EOF"},
		{"damaged", string(damaged), "kernel math_axpby: cannot decompress the PTX: gzip: invalid checksum"},
		{"no header", packed[:2], "kernel math_axpby: cannot decompress the PTX: unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := cudatest.Device(t)
			x, y := random(t, 1, 5), random(t, 2, 5)
			want := make([]float32, 5)
			for i, v := range x.Data() {
				want[i] = 2*v + y.Data()[i]
			}
			kernel := cuda.NewModule(tt.file).Kernel("math_axpby")
			d.Launch(kernel, cuda.Each(5), float32(2), x.DeviceData(d), float32(1), y.MutableDeviceData(d), 5)
			err := d.Check()
			if tt.want != "" {
				if err == nil || err.Error() != tt.want {
					t.Errorf("error %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			near(t, "y", y.Data(), want, 1e-6)
		})
	}
}

// TestModuleLoadedOnce launches kernels of two modules of the same PTX: the driver
// compiles it once.
func TestModuleLoadedOnce(t *testing.T) {
	fake := cudatest.Fake(t, "log=1")
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	x := random(t, 1, 5)
	text, err := cuda.Math.PTX()
	if err != nil {
		t.Fatal(err)
	}
	packed := compressed(t, text)
	d.Launch(cuda.NewModule(packed).Kernel("math_axpby"), cuda.Each(5), float32(2), x.DeviceData(d), float32(1), x.MutableDeviceData(d), 5)
	d.Launch(cuda.NewModule(packed).Kernel("math_add"), cuda.Each(5), x.DeviceData(d), x.DeviceData(d), x.MutableDeviceData(d), 5)
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	loads := 0
	for _, call := range fake.Calls() {
		if strings.HasPrefix(call, "cuModuleLoadDataEx") {
			loads++
		}
	}
	if loads != 1 {
		t.Errorf("the driver has compiled the module %d times, want once", loads)
	}
}
