package vision_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/cuda/lib"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestDevice compares the passes of gocaffe's kernels with those on the host, for
// sizes that the golden cases lack: several tiles, sums in parts, odd geometries.
func TestDevice(t *testing.T) {
	t.Setenv(lib.EnvDNN, "none")
	testDevice(t, 1e-5)
}

// TestDeviceDNN is TestDevice with the real cuDNN of a machine with a GPU, where some
// algorithms, such as Winograd's, round more. TestConvolutionDNN uses the fake.
func TestDeviceDNN(t *testing.T) {
	if _, real := cudatest.Number(t); !real {
		t.Skipf("SKIPPED: %s names no GPU", cudatest.Variable)
	}
	testDevice(t, 1e-3)
}

func testDevice(t *testing.T, tolerance float64) {
	d := cudatest.Device(t)
	for _, tt := range []struct {
		shape []int
		text  string
	}{
		{[]int{3, 5, 21, 19}, `type: "Convolution" convolution_param { num_output: 70 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.5 } }`},
		{[]int{2, 70, 9, 8}, `type: "Convolution" convolution_param { num_output: 6 group: 2 kernel_h: 2 kernel_w: 3 stride: 2 bias_term: false weight_filler { type: "xavier" } }`},
		{[]int{1, 2, 17, 23}, `type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 dilation: 2 pad: 3 stride: 3 weight_filler { type: "xavier" } }`},
		{[]int{4, 3, 40}, `type: "Convolution" convolution_param { num_output: 4 kernel_size: 5 pad: 2 weight_filler { type: "xavier" } }`},
		{[]int{8, 2, 16, 16}, `type: "Convolution" convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } }`},
		{[]int{3, 5, 11, 9}, `type: "Deconvolution" convolution_param { num_output: 70 kernel_size: 4 stride: 2 pad: 1 weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.5 } }`},
		{[]int{2, 70, 5, 4}, `type: "Deconvolution" convolution_param { num_output: 6 group: 2 kernel_h: 2 kernel_w: 3 stride: 3 bias_term: false weight_filler { type: "xavier" } }`},
		{[]int{1, 2, 9}, `type: "Deconvolution" convolution_param { num_output: 3 kernel_size: 3 dilation: 2 pad: 1 bias_filler { type: "constant" value: 0.5 } weight_filler { type: "xavier" } }`},
		{[]int{2, 3, 11, 12}, `type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }`},
		{[]int{2, 3, 11, 12}, `type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }`},
		{[]int{2, 3, 11, 12}, `type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 1 stride: 3 }`},
		{[]int{2, 3, 11, 12}, `type: "Im2col" convolution_param { kernel_size: 3 pad: 1 }`},
		{[]int{2, 3, 11, 12}, `type: "Im2col" convolution_param { kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 3 pad_h: 4 pad_w: 1 dilation: 2 }`},
		{[]int{2, 3, 5, 6, 7}, `type: "Im2col" convolution_param { kernel_size: [1, 2, 3] stride: [1, 2, 1] pad: [1, 0, 1] }`},
		{[]int{2, 3, 7, 9}, `type: "SPP" spp_param { pyramid_height: 3 }`},
		{[]int{2, 3, 7, 9}, `type: "SPP" spp_param { pyramid_height: 3 pool: AVE }`},
		{[]int{2, 3, 8, 4}, `type: "SPP" spp_param { pyramid_height: 3 pool: STOCHASTIC }`},
		{[]int{2, 7, 3, 5}, `type: "LRN" lrn_param { alpha: 0.5 }`},
		{[]int{2, 3, 4, 5}, `type: "LRN" lrn_param { local_size: 7 alpha: 2 beta: 0.6 k: 3 }`},
		{[]int{2, 2, 7, 9}, `type: "LRN" lrn_param { local_size: 3 alpha: 2 norm_region: WITHIN_CHANNEL }`},
		{[]int{2, 2, 4, 3}, `type: "LRN" lrn_param { local_size: 5 beta: 0.5 norm_region: WITHIN_CHANNEL }`},
		{[]int{2, 3, 11, 12}, `type: "Pooling" pooling_param { kernel_size: 3 stride: 2 pad: 1 pool: AVE }`},
		{[]int{2, 3, 5, 7}, `type: "Pooling" pooling_param { kernel_h: 2 kernel_w: 3 stride_h: 3 stride_w: 1 pad_h: 1 pad_w: 2 }`},
		{[]int{2, 3, 5, 7}, `type: "Pooling" pooling_param { global_pooling: true pool: AVE }`},
	} {
		layertest.CheckDevice(t, d, tolerance, `layer { bottom: "x" top: "y" `+tt.text+` }`, layertest.Gaussian(1, tt.shape...))
	}
}

// TestDeviceWeigh compares stochastic pooling in TEST, with positive elements.
func TestDeviceWeigh(t *testing.T) {
	d, x := cudatest.Device(t), layertest.Uniform(1, 0, 1, 2, 3, 11, 12)
	for _, text := range []string{`kernel_size: 3 stride: 2`, `kernel_size: 1 stride: 3`, `global_pooling: true`} {
		layertest.CheckDevice(t, d, 1e-5, `layer { bottom: "x" top: "y" phase: TEST type: "Pooling" pooling_param { pool: STOCHASTIC `+text+` } }`, x)
	}
}

// TestConvolutionPrecision checks that convolutions on tensor cores are near those in
// float32, and use the kernels of their precision.
func TestConvolutionPrecision(t *testing.T) {
	fake := cudatest.Fake(t, "log=1")
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, p := range []struct {
		precision cuda.Precision
		tolerance float64 // relative to the largest element: twice the rounding of two factors
	}{{cuda.TF32, 1. / 512}, {cuda.BF16, 1. / 64}} {
		if err := d.SetPrecision(p.precision); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			shape []int
			text  string
		}{
			{[]int{2, 70, 9, 8}, `num_output: 80 kernel_size: 3 pad: 1 bias_filler { type: "constant" value: 0.5 }`},
			{[]int{2, 70, 9, 8}, `num_output: 6 group: 2 kernel_h: 2 kernel_w: 3 stride: 2 bias_term: false`},
			{[]int{1, 2, 17, 23}, `num_output: 3 kernel_size: 3 dilation: 2 pad: 3 stride: 3`},
			{[]int{1, 70, 5, 4}, `num_output: 3 kernel_size: 2 stride: 2`},
			{[]int{8, 2, 16, 16}, `num_output: 2 kernel_size: 1`},
		} {
			layertest.CheckDevice(t, d, p.tolerance, `layer { bottom: "x" top: "y" type: "Convolution" convolution_param { `+
				tt.text+` weight_filler { type: "xavier" } } }`, layertest.Gaussian(1, tt.shape...))
		}
	}
	calls := fmt.Sprint(fake.Calls())
	for _, pass := range []string{"forward", "data", "data_strided", "weight"} {
		for _, tile := range []string{"64", "128"} {
			for _, precision := range []string{"tf32", "bf16"} {
				if name := "conv_" + pass + "_" + tile + "_" + precision; !strings.Contains(calls, name) {
					t.Errorf("kernel %s was not used", name)
				}
			}
		}
	}
}

// TestConvolutionDNN runs convolutions with the fake cuDNN, and those that it does not
// support with our kernels.
func TestConvolutionDNN(t *testing.T) {
	fake := cudatest.Fake(t, "log=1")
	fake.UseLibraries()
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	run := func(tolerance float64, text string, shape ...int) string {
		t.Helper()
		fake.Calls()
		layertest.CheckDevice(t, d, tolerance, `layer { bottom: "x" top: "y" type: "Convolution" convolution_param { `+
			text+` weight_filler { type: "xavier" } } }`, layertest.Gaussian(1, shape...))
		return fmt.Sprint(fake.Calls())
	}
	for _, tt := range []struct {
		shape []int
		text  string
	}{
		{[]int{3, 5, 8, 7}, `num_output: 7 kernel_size: 3 pad: 1 bias_filler { type: "constant" value: 0.5 }`},
		{[]int{2, 6, 9, 8}, `num_output: 4 group: 2 kernel_h: 2 kernel_w: 3 stride: 2 bias_term: false`},
		{[]int{1, 2, 17, 13}, `num_output: 3 kernel_size: 3 dilation: 2 pad: 3 stride: 3`},
		{[]int{4, 3, 20}, `num_output: 4 kernel_size: 5 pad: 2`},
	} {
		calls := run(1e-5, tt.text, tt.shape...)
		for _, pass := range []string{"Forward", "BackwardData", "BackwardFilter"} {
			if !strings.Contains(calls, "cudnnConvolution"+pass+"(") {
				t.Errorf("%s: cuDNN's %s was not used", tt.text, pass)
			}
		}
		if strings.Contains(calls, "conv_") {
			t.Errorf("%s: one of our kernels was used", tt.text)
		}
		if calls := run(1e-5, tt.text, tt.shape...); strings.Contains(calls, "cudnnGetConvolution") {
			t.Errorf("%s: algorithms were chosen a second time", tt.text)
		}
	}
	calls := run(1e-5, "num_output: 7 kernel_size: 3 engine: CAFFE", 3, 5, 8, 7)
	if strings.Contains(calls, "cudnnConvolution") || !strings.Contains(calls, "conv_forward_64") {
		t.Error("cuDNN was used by a layer with engine: CAFFE")
	}
	fake.Set("fail=cudnnGetConvolutionBackwardFilterAlgorithm_v7:1:9")
	calls = run(1e-5, "num_output: 2 kernel_size: 3", 2, 3, 7, 5)
	for _, kernel := range []string{"conv_forward_64", "conv_data_64", "conv_weight_64"} {
		if !strings.Contains(calls, kernel) || strings.Contains(calls, "cudnnConvolution") {
			t.Errorf("kernel %s was not used where cuDNN cannot be", kernel)
		}
	}
	if err := d.SetPrecision(cuda.TF32); err != nil {
		t.Fatal(err)
	}
	if calls := run(1./512, "num_output: 2 kernel_size: 3", 2, 3, 6, 5); !strings.Contains(calls, "cudnnSetConvolutionMathType(1)") {
		t.Error("TF32 was not requested")
	}
}

// TestConvolutionNotes checks that a net's observer is notified which kernels compute a
// convolution: once, and again when they change.
func TestConvolutionNotes(t *testing.T) {
	fake := cudatest.Fake(t, "memory=3000000000")
	const text = `layer { name: "conv" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 70 kernel_size: 3 stride: 2 } }`
	for _, tt := range []struct {
		settings  string
		libraries bool
		want      string
	}{
		{"seed=1", false, "kernels conv_forward_128, conv_data_strided_64, conv_weight_128"},
		{"seed=1", true, "cuDNN 9.1.0: forward IMPLICIT_PRECOMP_GEMM, data ALGO_1, weights ALGO_1"},
		{"fail=cudnnSetConvolutionGroupCount:1:9", true, "kernels conv_forward_128, conv_data_strided_64, conv_weight_128" +
			", since cuDNN 9.1.0: cudnnSetConvolutionGroupCount: CUDNN_STATUS_NOT_SUPPORTED (9)"},
	} {
		if tt.libraries {
			fake.UseLibraries()
		}
		d, err := cuda.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		fake.Set(tt.settings)
		var notes []event.Note
		env := &layers.Env{Device: d, Observer: event.Func(func(e any) { notes = append(notes, *e.(*event.Note)) })}
		x := layertest.Gaussian(1, 2, 3, 7, 5)
		l, err := layertest.SetUp(env, text, x)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := l.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		if len(notes) != 1 || notes[0].Text != tt.want || notes[0].Layer != "conv" || notes[0].Level != event.Info {
			t.Errorf("%s: the notes are %+v, want %q", tt.settings, notes, tt.want)
		}
		l.Close()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
