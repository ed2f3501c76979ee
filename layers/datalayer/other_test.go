package datalayer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

func specOf(t *testing.T, text string) *layers.Spec {
	t.Helper()
	var net caffepb.NetParameter
	if err := prototext.Unmarshal([]byte(text), &net); err != nil {
		t.Fatal(err)
	}
	return layers.NewSpec(net.GetLayer()[0], new(layers.Env), nil)
}

// TestShuffle looks at the order of several epochs: each has every image once,
// no two are the same, and nothing depends on the batches.
func TestShuffle(t *testing.T) {
	list := imageFolder(t, 20)
	text := imageText(list, "shuffle: true", "")
	got := labels(run(t, &layers.Env{Seed: 1}, text, upTo(25)...), 4) // 5 epochs of 20
	var epochs [][]int
	for e := range 5 {
		epoch := got[20*e : 20*e+20]
		sorted := slices.Sorted(slices.Values(epoch))
		for i, label := range sorted {
			if label != i {
				t.Fatalf("epoch %d has the images %v", e, sorted)
			}
		}
		for _, other := range epochs {
			if slices.Equal(epoch, other) {
				t.Errorf("two epochs have the order %v", epoch)
			}
		}
		epochs = append(epochs, epoch)
	}
	other := labels(run(t, &layers.Env{Seed: 1}, strings.Replace(text, "batch_size: 4", "batch_size: 7", 1), upTo(5)...), 7)
	if !slices.Equal(other, got[:35]) {
		t.Errorf("in batches of 7 the order is %v, in batches of 4 %v", other, got[:35])
	}
}

func TestRandSkip(t *testing.T) {
	list := imageFolder(t, 20)
	starts := map[int]bool{}
	for seed := range uint64(60) {
		got := labels(run(t, &layers.Env{Seed: seed}, imageText(list, "rand_skip: 6", ""), 0, 5), 4)
		if got[0] > 5 || got[1] != got[0]+1 || got[4] != got[0] {
			t.Fatalf("labels %v, want a start at 0 to 5, and the same after 20", got)
		}
		starts[got[0]] = true
	}
	if len(starts) != 6 {
		t.Errorf("of 60 starts there are %v, want 0 to 5", starts)
	}
}

func TestImageDataLog(t *testing.T) {
	list := imageFolder(t, 3)
	var log logged
	run(t, &layers.Env{Observer: log.observer()}, imageText(list, "shuffle: true rand_skip: 1", "crop_size: 5"), 0)
	want := []string{
		"I image_data_layer.cpp:38] Opening file " + list,
		"I image_data_layer.cpp:53] Shuffling data",
		"I image_data_layer.cpp:63] A total of 3 images.",
		"I image_data_layer.cpp:70] Skipping first 0 data points.",
		"I image_data_layer.cpp:90] output data size: 4,1,5,5",
	}
	if !slices.Equal(log.lines, want) {
		t.Errorf("the log is\n%s\nwant\n%s", strings.Join(log.lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestImageDataLabels reads lists with several labels on a line, for one top and for
// several.
func TestImageDataLabels(t *testing.T) {
	list := imageFolder(t, 3)
	text := "0.png 7 0.5\n1.png  8\t-1e3 \n2.png 9 2\n"
	if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	read := func(tops, options string) *layertest.Fixture {
		t.Helper()
		f, err := layertest.SetUp(new(layers.Env), strings.Replace(imageText(list, options, ""), `top: "label"`, tops, 1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		return f
	}
	one := read(`top: "label"`, "label_dim: 2")
	if top := one.Top[1]; !top.ShapeEqual([]int{4, 2}) || !slices.Equal(top.Data(), []float32{7, 0.5, 8, -1000, 9, 2, 7, 0.5}) {
		t.Errorf("one top has shape %v and %v", top.Shape(), top.Data())
	}
	for _, options := range []string{"", "label_dim: 2"} {
		two := read(`top: "class" top: "age"`, options)
		for i, want := range [][]float32{{7, 8, 9, 7}, {0.5, -1000, 2, 0.5}} {
			if top := two.Top[1+i]; !top.ShapeEqual([]int{4}) || !slices.Equal(top.Data(), want) {
				t.Errorf("top %d has shape %v and %v, want %v", 1+i, top.Shape(), top.Data(), want)
			}
		}
	}
}

func TestImageDataErrors(t *testing.T) {
	dir := t.TempDir()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	absent := write("absent.txt", "\nno.png 1\n")
	bad := write("bad.txt", write("bad.png", "text")+" 1\n")
	empty := write("empty.txt", "")
	broken := write("broken.txt", "a.png 1\nb.png\n")
	several := write("several.txt", "a.png 1 0 1\n")
	for _, test := range []struct {
		line int
		want string
		text string
	}{
		{2, "source is missing, want a file that lists images and labels", "\nimage_data_param { batch_size: 4 }"},
		{1, "new_height is 3 and new_width 0, want both or none", "image_data_param { source: 'x' new_height: 3 }"},
		{2, "new_height and new_width: the image has 1 x 3000000 pixels (width x height), want 1 to 1048576 on each side", "image_data_param { source: 'x'\nnew_height: 3000000 new_width: 1 }"},
		{2, "new_height and new_width: the image has 40000 x 40000 pixels (width x height), the limit is 67108864; the environment variable GOCAFFE_MAX_IMAGE_PIXELS sets another", "image_data_param { source: 'x'\nnew_height: 40000 new_width: 40000 }"},
		{1, "batch_size is 0 or missing, want at least 1", "image_data_param { source: 'x' batch_size: 0 }"},
		{1, `"` + dir + `/none": no such file`, fmt.Sprintf("image_data_param { source: '%s/none' }", dir)},
		{1, "the list " + empty + " is empty", fmt.Sprintf("image_data_param { source: %q }", empty)},
		{1, broken + `:2: got "b.png", want a path, a space and a label`, fmt.Sprintf("image_data_param { source: %q }", broken)},
		{2, "label_dim is 0, want at least 1", "image_data_param { source: 'x'\nlabel_dim: 0 }"},
		{1, "label_dim is 3, and there are 2 tops for labels, want one top or 3", "top: 'second' image_data_param { source: 'x' label_dim: 3 }"},
		{1, several + `:1: the line has 3 labels, one is expected; label_dim, or a top for each label, says how many: "a.png 1 0": no such file (working directory ` + wd + ")",
			fmt.Sprintf("image_data_param { source: %q }", several)},
		{1, several + `:1: got "a.png 1 0 1", want a path and 4 labels`, fmt.Sprintf("image_data_param { source: %q label_dim: 4 }", several)},
		{1, absent + `:2: "` + dir + `/no.png": no such file`, fmt.Sprintf("image_data_param { source: %q root_folder: '%s/' }", absent, dir)},
		{1, bad + `:1: "` + dir + `/bad.png": cannot decode the image of 4 bytes: want JPEG, PNG, BMP, TIFF, WebP or PNM`, fmt.Sprintf("image_data_param { source: %q }", bad)},
	} {
		layertest.CheckError(t, test.line, `layer "d": `+test.want, `layer { name: "d" type: "ImageData" top: "data" top: "label" `+test.text+" }")
	}
	_, err = layertest.SetUp(new(layers.Env), imageText(imageFolder(t, 2), "\nrand_skip: 4000000000", ""))
	if err == nil || !strings.HasPrefix(err.Error(), "layer.prototxt:2:") || !strings.HasSuffix(err.Error(), " of 2 images leaves none") {
		t.Errorf("skipping too many: %v", err)
	}
}

func TestInput(t *testing.T) {
	f := layertest.New(t, `layer { type: "Input" top: "a" top: "b" input_param { shape { dim: 2 dim: 3 } } }`)
	if !f.Top[0].ShapeEqual([]int{2, 3}) || !f.Top[1].ShapeEqual([]int{2, 3}) {
		t.Errorf("shapes %v and %v, want both [2 3]", f.Top[0].Shape(), f.Top[1].Shape())
	}
	f = layertest.New(t, `layer { type: "Input" top: "a" top: "b" input_param { shape { dim: 2 } shape { } } }`)
	if !f.Top[0].ShapeEqual([]int{2}) || !f.Top[1].ShapeEqual(nil) || f.Top[1].Count() != 1 {
		t.Errorf("shapes %v and %v, want [2] and a scalar", f.Top[0].Shape(), f.Top[1].Shape())
	}
	copy(f.Top[0].MutableData(), []float32{4, 5})
	if err := f.Forward(); err != nil || !slices.Equal(f.Top[0].Data(), []float32{4, 5}) {
		t.Errorf("after a pass %v, error %v, want what was put in", f.Top[0].Data(), err)
	}
	f = layertest.New(t, `layer { type: "Input" top: "a" }`)
	if err := f.Top[0].Reshape(7); err != nil || f.Forward() != nil || !f.Top[0].ShapeEqual([]int{7}) {
		t.Errorf("without a shape it is %v, want the program's", f.Top[0].Shape())
	}
	layertest.CheckError(t, 1, `layer "d": 2 shapes for 3 tops, want none, 1 or 3`, `layer { name: "d" type: "Input" top: "a" top: "b" top: "c" input_param { shape { dim: 2 } shape { dim: 2 } } }`)
	layertest.CheckError(t, 2, `layer "d": blob shape [2 -1] has a negative size`, "layer { name: 'd' type: 'Input' top: 'a' top: 'b' input_param { shape { dim: 2 }\nshape { dim: 2 dim: -1 } } }")
}

func TestDummyData(t *testing.T) {
	layertest.Checked(t, "DummyData", layertest.Reference) // the constants; random numbers are not Caffe's
	text := `layer { name: "d" type: "DummyData" top: "a" top: "b" top: "c" dummy_data_param {
		shape { dim: 50 dim: 3 } shape { dim: 4 } shape { dim: 150 }
		data_filler { type: "gaussian" std: 2 } data_filler { value: 7 } data_filler { type: "uniform" min: 3 max: 4 } } }`
	got := run(t, &layers.Env{Seed: 3}, text, 0, 1, 2)
	again := run(t, &layers.Env{Seed: 3}, text, 2, 1)
	if !slices.Equal(got[2], again[0]) || !slices.Equal(got[1], again[1]) {
		t.Error("the numbers of a pass depend on the passes before")
	}
	for pass, numbers := range got {
		if !slices.Equal(numbers[150:154], []float32{7, 7, 7, 7}) {
			t.Errorf("pass %d: the constants are %v", pass, numbers[150:154])
		}
		if lo, hi := slices.Min(numbers[154:]), slices.Max(numbers[154:]); lo < 3 || hi >= 4 || hi-lo < 0.8 {
			t.Errorf("pass %d: the uniform numbers are from %g to %g, want 3 to 4", pass, lo, hi)
		}
		if pass > 0 && slices.Equal(numbers, got[pass-1]) {
			t.Errorf("passes %d and %d have the same numbers", pass-1, pass)
		}
	}
	f := layertest.New(t, `layer { type: "DummyData" top: "a" top: "b" dummy_data_param { num: 2 num: 3 channels: 4 height: 5 width: 6 } }`)
	if !f.Top[0].ShapeEqual([]int{2, 4, 5, 6}) || !f.Top[1].ShapeEqual([]int{3, 4, 5, 6}) || slices.Max(f.Top[0].Data()) != 0 {
		t.Errorf("the old form gives %v and %v", f.Top[0].Shape(), f.Top[1].Shape())
	}
	for text, want := range map[string]string{
		"shape { dim: 1 } num: 1":                      "both shape and its old form (num, channels, height, width) are set",
		"num: 1 channels: 1 height: 1":                 "width is given 0 times for 3 tops, want 1 or 3",
		"num: 1 num: 2 channels: 1 height: 1 width: 1": "num is given 2 times for 3 tops, want 1 or 3",
		"":                                  "0 shapes for 3 tops, want 1 or 3",
		"shape { dim: 1 } shape { dim: 1 }": "2 shapes for 3 tops, want 1 or 3",
		"shape { dim: 1 } data_filler { } data_filler { }": "2 fillers for 3 tops, want none, 1 or 3",
		"shape { dim: 0 }": "top 0: blob of shape [0] has no numbers to fill",
	} {
		layertest.CheckError(t, 1, `layer "d": `+want, `layer { name: "d" type: "DummyData" top: "a" top: "b" top: "c" dummy_data_param { `+text+" } }")
	}
}

func memory(t *testing.T, transform string) (*layertest.Fixture, *MemoryData, *logged) {
	t.Helper()
	log := new(logged)
	f, err := layertest.SetUp(&layers.Env{Observer: log.observer()}, `layer { name: "d" type: "MemoryData" top: "data" top: "label" `+transform+`
		memory_data_param { batch_size: 2 channels: 1 height: 1 width: 2 } }`)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Top[0].ShapeEqual([]int{2, 1, 1, 2}) || !f.Top[1].ShapeEqual([]int{2}) {
		t.Fatalf("shapes %v and %v", f.Top[0].Shape(), f.Top[1].Shape())
	}
	return f, f.Layer.(*MemoryData), log
}

func TestMemoryData(t *testing.T) {
	layertest.Checked(t, "MemoryData", layertest.Reference)
	f, l, _ := memory(t, `transform_param { scale: 0.5 mean_value: 1 }`)
	if err := f.Forward(); err == nil || !strings.Contains(err.Error(), `layer "d": there is no data: the program must call AddDatums or Reset`) {
		t.Errorf("without data: %v", err)
	}
	datum := func(label int) *caffepb.Datum {
		return &caffepb.Datum{Channels: proto.Int32(1), Height: proto.Int32(1), Width: proto.Int32(2), Data: []byte{byte(label), 3}, Label: proto.Int32(int32(label))}
	}
	four := []*caffepb.Datum{datum(5), datum(6), datum(7), datum(8)}
	if err := l.AddDatums(four); err != nil {
		t.Fatal(err)
	}
	for pass, want := range [][2]float32{{5, 6}, {7, 8}, {5, 6}} {
		err := l.AddDatums(four)
		if used := pass == 2; (err == nil) != used {
			t.Errorf("pass %d: adding more gives %v", pass, err)
		}
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if data := []float32{(want[0] - 1) / 2, 1, (want[1] - 1) / 2, 1}; !slices.Equal(f.Top[0].Data(), data) || !slices.Equal(f.Top[1].Data(), want[:]) {
			t.Errorf("pass %d: %v and %v, want %v and %v", pass, f.Top[0].Data(), f.Top[1].Data(), data, want)
		}
	}
	f, l, log := memory(t, `transform_param { scale: 0.5 }`)
	if err := l.Reset([]float32{1, 2, 3, 4}, []float32{8, 9}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := f.Forward(); err != nil || !slices.Equal(f.Top[0].Data(), []float32{1, 2, 3, 4}) || !slices.Equal(f.Top[1].Data(), []float32{8, 9}) {
			t.Errorf("after Reset: %v and %v, error %v", f.Top[0].Data(), f.Top[1].Data(), err)
		}
	}
	if want := []string{"W memory_data_layer.cpp:90] MemoryData does not transform array data on Reset()"}; !slices.Equal(log.lines, want) {
		t.Errorf("the log is %v, want %v", log.lines, want)
	}
	for want, err := range map[string]error{
		"3 items are given, want a multiple of the batch size 2":                          l.AddDatums(four[:3]),
		"0 items are given, want a multiple of the batch size 2":                          l.AddDatums(nil),
		"1 items are given, want a multiple of the batch size 2":                          l.Reset([]float32{1, 2}, []float32{1}),
		"5 values are given for 2 items, want 4":                                          l.Reset(make([]float32, 5), make([]float32, 2)),
		"datum 1: its shape, transformed, is 1 x 2 x 1, memory_data_param says 1 x 1 x 2": l.AddDatums([]*caffepb.Datum{datum(1), {Channels: proto.Int32(1), Height: proto.Int32(2), Width: proto.Int32(1), Data: []byte{1, 2}}}),
		"datum 0: the datum has the shape 0 x 0 x 0":                                      l.AddDatums([]*caffepb.Datum{{}, {}}),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	layertest.CheckError(t, 1, `layer "d": batch_size, channels, height and width are [2 0 1 2], want all of them at least 1`,
		`layer { name: "d" type: "MemoryData" top: "a" top: "b" memory_data_param { batch_size: 2 height: 1 width: 2 } }`)
}

// TestRegistered sees that the types have no bottoms and a description.
func TestRegistered(t *testing.T) {
	for _, name := range []string{"Data", "ImageData", "MemoryData", "DummyData", "Input"} {
		info := layers.Lookup(name)
		if info == nil || info.Bottoms != layers.Exactly(0) || info.Group != "data" || info.Doc == "" {
			t.Errorf("%s is registered as %+v", name, info)
		}
	}
}
