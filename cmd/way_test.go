package gocaffecmd

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
)

// wayLayer copies its bottom and, in training, keeps the files through which a
// forward pass has come to it.
type wayLayer struct {
	layers.OnRecordableDevice
	phase caffepb.Phase
}

var way []string // from package cmd on, each file once

func init() {
	layers.Register(layers.Info{
		Type: "TestWay", Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(spec *layers.Spec) (layers.Layer, error) { return wayLayer{phase: spec.Env.Phase}, nil },
	})
}

func (wayLayer) SetUp(_, _ []*blob.Blob) error { return nil }

func (wayLayer) Reshape(bottom, top []*blob.Blob) error { return top[0].Reshape(bottom[0].Shape()...) }

func (l wayLayer) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.look()
	copy(top[0].MutableData(), bottom[0].Data())
	return nil
}

func (l wayLayer) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	l.look()
	d.Copy(bottom[0].Count(), bottom[0].DeviceData(d), top[0].MutableDeviceData(d))
	return nil
}

func (wayLayer) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error { return nil }

func (wayLayer) BackwardDevice(context.Context, *cuda.Device, []*blob.Blob, []bool, []*blob.Blob) error {
	return nil
}

func (l wayLayer) look() {
	if l.phase != caffepb.Phase_TRAIN {
		return
	}
	pc := make([]uintptr, 64)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	var files []string
	for {
		frame, more := frames.Next()
		file, err := filepath.Rel(filepath.Dir(packageDir), frame.File)
		if err == nil && !strings.HasPrefix(file, "..") && !strings.HasSuffix(file, "_test.go") {
			files = append(files, filepath.ToSlash(file))
			more = more && !strings.HasPrefix(file, "cmd")
		}
		if !more {
			break
		}
	}
	way = nil
	for _, file := range slices.Backward(files) {
		if !slices.Contains(way, file) {
			way = append(way, file)
		}
	}
}

// TestWayOfForwardPass compares the files through which a forward pass goes with
// what docs/design.md says, on the host and on a GPU, and how many they are.
func TestWayOfForwardPass(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(packageDir, "..", "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## The way of a forward pass\n")
	if !ok {
		t.Fatal("docs/design.md has no section about it")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	onHost, onGPU, ok := strings.Cut(section, "\nOn a GPU")
	if !ok {
		t.Fatal("docs/design.md does not say how it goes on a GPU")
	}
	net := strings.Replace(gpuNet, "layer { name: \"pool\"", `layer { name: "way" type: "TestWay" bottom: "conv" top: "way" }
		layer { name: "pool"`, 1)
	net = strings.Replace(net, `type: "Pooling" bottom: "conv"`, `type: "Pooling" bottom: "way"`, 1)
	path, solver := writeGPUFiles(t, "")
	if err := os.WriteFile(path, []byte(net), 0o666); err != nil {
		t.Fatal(err)
	}
	cudatest.Fake(t)
	for _, test := range []struct {
		where, text string
		gpu         []string
		most        int
	}{
		{"the host", onHost, nil, 6},
		{"a GPU", onGPU, []string{"--gpu", "0"}, 9},
	} {
		way = nil
		mustRun(t, append([]string{"train", "--solver", solver}, test.gpu...)...)
		var want []string
		for _, m := range regexp.MustCompile("(?m)^\\d+\\. `([^`]+\\.go)`").FindAllStringSubmatch(test.text, -1) {
			want = append(want, m[1])
		}
		if len(want) == 0 || len(want) > test.most {
			t.Fatalf("on %s the document names %d files, want 1 to %d", test.where, len(want), test.most)
		}
		if layer := want[len(want)-1]; !strings.HasPrefix(layer, "layers/") {
			t.Errorf("on %s the way ends at %s, want a layer", test.where, layer)
		}
		if want = want[:len(want)-1]; !slices.Equal(way, want) {
			t.Errorf("on %s a forward pass goes\n%s\nand then to the layer; docs/design.md says\n%s", test.where,
				strings.Join(way, "\n"), strings.Join(want, "\n"))
		}
	}
}
