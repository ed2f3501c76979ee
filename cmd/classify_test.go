package gocaffecmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data/npy"
)

// classifyNet is trained for a few iterations on images with a mean image, a crop and
// a scale.
const classifyNet = `name: "images"
layer { name: "data" type: "ImageData" top: "data" top: "label"
  transform_param { mean_file: "mean.binaryproto" crop_size: 6 scale: 0.02 }
  image_data_param { source: "list.txt" batch_size: 5 new_height: 8 new_width: 9 root_folder: "img/" } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }`

// writePNG writes an image of random colours.
func writePNG(t *testing.T, path string, width, height int, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	im := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			im.SetNRGBA(x, y, color.NRGBA{R: byte(r.Uint32()), G: byte(r.Uint32()), B: byte(r.Uint32()), A: 255})
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := png.Encode(file, im); err != nil {
		t.Fatal(err)
	}
}

// classifyFolder has a net, its deployed form in the folder deployed, and images.
func classifyFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	const images = 13
	var list strings.Builder
	for i := range images {
		name := fmt.Sprintf("p%02d.png", i)
		writePNG(t, "img/"+name, 9, 8, uint64(i))
		fmt.Fprintf(&list, "%s %d\n", name, i%4)
	}
	write(t, "list.txt", list.String())
	write(t, "net.prototxt", classifyNet)
	write(t, "solver.prototxt", `net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 5 snapshot_prefix: "x" random_seed: 3`)
	mustRun(t, "convert", "imageset", "img", "list.txt", "db")
	mustRun(t, "compute-mean", "db", "mean.binaryproto")
	mustRun(t, "train", "--solver", "solver.prototxt")
	mustRun(t, "deploy", "--model", "net.prototxt", "--weights", "x_iter_5.caffemodel", "-o", "deployed")
}

// TestClassify compares classify, which prepares images as the deployed net says, with
// gocaffe test, whose data layer prepares them as in training.
func TestClassify(t *testing.T) {
	classifyFolder(t)
	mustRun(t, "test", "--model", "net.prototxt", "--weights", "x_iter_5.caffemodel", "--iterations", "all", "--predictions", "want.csv")
	want := readCSV(t, "want.csv")[1:]
	args := []string{"classify", "deployed/deploy.prototxt", "deployed/deploy.caffemodel"}
	mustRun(t, append(args, "img", "--output", "scores.npy", "--batch", "4")...)
	file, err := os.Open("scores.npy")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := npy.Read(file)
	if err != nil || !slices.Equal(got.Shape, []int{len(want), 4}) {
		t.Fatalf("scores of shape %v, %v", got.Shape, err)
	}
	spread := 0.0
	for i, row := range want {
		for k := range 4 {
			p := atof(t, row[4+k])
			spread = max(spread, p)
			if v := float64(got.Data[4*i+k]); math.Abs(v-p) > 2e-6 { // the file has six digits
				t.Errorf("%s: the probability of %d is %g, test says %g", row[0], k, v, p)
			}
		}
	}
	if spread < 0.5 {
		t.Errorf("the largest probability is %g: the net of this test tells nothing apart", spread)
	}

	// Text, CSV and JSON have the highest of these.
	stdout, _ := mustRun(t, append(args, "img", "--top-k", "1")...)
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines for %d images:\n%s", len(lines), len(want), stdout)
	}
	for i, row := range want {
		if line := fmt.Sprintf("img/%s  %.4f  %s", row[0], atof(t, row[3]), row[2]); lines[i] != line {
			t.Errorf("line %d is %q, want %q", i, lines[i], line)
		}
	}
	mustRun(t, append(args, "img", "--top-k", "3", "-o", "out.csv")...)
	rows := readCSV(t, "out.csv")
	if len(rows) != 1+3*len(want) || strings.Join(rows[0], ",") != "image,rank,class,label,score" {
		t.Fatalf("%d rows, the first one %v", len(rows), rows[0])
	}
	stdout, _ = mustRun(t, append(args, "img", "--top-k", "9", "--format", "json")...)
	var objects []classified
	if err := json.Unmarshal([]byte(stdout), &objects); err != nil || len(objects) != len(want) {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	for i, o := range objects {
		if len(o.Predictions) != 4 || o.Image != "img/"+want[i][0] {
			t.Fatalf("object %d is %+v", i, o)
		}
		for rank, s := range o.Predictions {
			// Products of other sizes round otherwise: the array was computed four images at a time.
			if math.Abs(float64(s.Score-got.Data[4*i+s.Class])) > 1e-6 || rank > 0 && s.Score > o.Predictions[rank-1].Score {
				t.Errorf("%s: rank %d is class %d of score %g, want the scores in order", o.Image, rank, s.Class, s.Score)
			}
			if rank < 3 && !slices.Equal(rows[1+3*i+rank], []string{o.Image, strconv.Itoa(rank + 1), strconv.Itoa(s.Class), "", sixDigits(float64(s.Score))}) {
				t.Errorf("the row is %v, the object %+v", rows[1+3*i+rank], s)
			}
		}
	}

	// The same preparation by flags, for a net that says nothing of it.
	text := readFile(t, "deployed/deploy.prototxt")
	from, to := strings.Index(text, "  transform_param {"), strings.Index(text, "  input_param {")
	write(t, "bare.prototxt", text[:from]+text[to:])
	flags, _ := mustRun(t, "classify", "bare.prototxt", "deployed/deploy.caffemodel", "img", "--top-k", "9", "--format", "json",
		"--mean-file", "mean.binaryproto", "--input_scale", "0.02", "--raw_scale=255", "-channel_swap", "2,1,0")
	if flags != stdout {
		t.Errorf("with flags\n%swant\n%s", flags, stdout)
	}
	ten, _ := mustRun(t, append(args, "img", "--oversample", "--top-k", "9", "--format", "json")...)
	if ten == stdout {
		t.Error("--oversample changes nothing")
	}
}

// TestClassifyImages names images in all ways.
func TestClassifyImages(t *testing.T) {
	classifyFolder(t)
	write(t, "more.txt", "\ufeffp03.png\r\np04.png 2\n\np05.png\t7\n")
	writePNG(t, "img/a 1", 5, 5, 1)
	write(t, "words.txt", "p06.png\na 1\n")
	write(t, "img/notes.txt", "no image")
	args := []string{"classify", "deployed/deploy.prototxt", "deployed/deploy.caffemodel", "--top-k", "1"}
	paths := func(more ...string) string {
		stdout, _ := mustRun(t, append(slices.Clone(args), more...)...)
		var names []string
		for line := range strings.Lines(stdout) {
			name, _, _ := strings.Cut(line, "  ")
			names = append(names, name)
		}
		return strings.Join(names, " ")
	}
	if got, want := paths("img/p1*.png", "img/p02.png"), "img/p10.png img/p11.png img/p12.png img/p02.png"; got != want {
		t.Errorf("a pattern and a file: %s, want %s", got, want)
	}
	if got, want := paths("--list", "more.txt", "--root", "img"), "img/p03.png img/p04.png img/p05.png"; got != want {
		t.Errorf("a list: %s, want %s", got, want)
	}
	if got, want := paths("--list", "words.txt", "--root", "img", "img/p00.png"), "img/p00.png img/p06.png img/a 1"; got != want {
		t.Errorf("a file whose name ends in a number: %s, want %s", got, want)
	}
	if got := paths("img"); strings.Count(got, ".png") != 13 || strings.Contains(got, "notes") {
		t.Errorf("a folder: %s", got)
	}

	// Images that cannot be read are named, the others classified.
	write(t, "img/p05.png", "no image")
	write(t, "labels.txt", "zero\r\none, or first\r\ntwo\r\nthree\r\n")
	code, stdout, stderr := run(append(args, "img/p04.png", "img/p05.png", "img/absent.png", "img/p06.png", "--labels", "labels.txt")...)
	if code != 1 || strings.Count(stdout, "\n") != 2 || !strings.HasPrefix(stdout, "img/p04.png  ") || !strings.Contains(stdout, "\nimg/p06.png  ") ||
		!strings.Contains(stderr, "img/p05.png") || !strings.Contains(stderr, "img/absent.png") || !strings.HasSuffix(stderr, "gocaffe: 2 of 4 images could not be read\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	// So are folders and patterns without images.
	if err := os.Mkdir("empty", 0o777); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = run(append(args, "empty", "img/p04.png", "no*.png", "img/p06.png", "--labels", "labels.txt", "--batch", "0")...)
	if code != 1 || strings.Count(stdout, "\n") != 2 || !strings.Contains(stderr, "empty: the folder has no images") ||
		!strings.Contains(stderr, `no file matches "no*.png"`) || !strings.HasSuffix(stderr, "gocaffe: 2 of the folders and patterns had no images\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(stdout, "  two\n") && !strings.Contains(stdout, "  zero\n") && !strings.Contains(stdout, "first\n") && !strings.Contains(stdout, "  three\n") {
		t.Errorf("the labels of a file with carriage returns are not shown:\n%q", stdout)
	}
	// A JPEG file that is cut short is classified, with a warning.
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 64)), nil); err != nil {
		t.Fatal(err)
	}
	write(t, "img/cut.jpg", b.String()[:b.Len()-20])
	stdout, stderr = mustRun(t, append(args, "img/cut.jpg")...)
	if !strings.HasPrefix(stdout, "img/cut.jpg  ") || !strings.Contains(stderr, `"img/cut.jpg": the JPEG file is damaged: `) {
		t.Errorf("of a file that is cut short it says\n%s%s", stdout, stderr)
	}
	code, _, _ = run("classify", "deployed/deploy.prototxt", "deployed/deploy.caffemodel", "img/p05.png", "img/p06.png", "-o", "s.npy")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	if arrays := readFile(t, "s.npy"); !strings.Contains(arrays, "'shape': (2, 4)") {
		t.Errorf("the array is not 2 x 4: %q", arrays[:80])
	}
}

// TestClassifyWidth has labels as those of ImageNet are.
func TestClassifyWidth(t *testing.T) {
	classifyFolder(t)
	long := "n03042490 " + strings.Repeat("cliff dwelling, ", 9)
	write(t, "labels.txt", strings.Repeat(long+"\n", 4))
	for _, k := range []string{"1", "4"} {
		stdout, _ := mustRun(t, "classify", "deployed/deploy.prototxt", "deployed/deploy.caffemodel", "img/p00.png", "--labels", "labels.txt", "--top-k", k)
		for line := range strings.Lines(stdout) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
}

// TestClassification has the arguments and the output of cpp_classification, which
// subtracts the means of the channels.
func TestClassification(t *testing.T) {
	classifyFolder(t)
	write(t, "labels.txt", "zero\none\ntwo\nthree\n")
	stdout, _ := mustRun(t, "classification", "deployed/deploy.prototxt", "deployed/deploy.caffemodel", "mean.binaryproto", "labels.txt", "img/p03.png")
	same, _ := mustRun(t, "classify", "deployed/deploy.prototxt", "deployed/deploy.caffemodel", "img/p03.png", "--labels", "labels.txt",
		"--mean-file", "mean.binaryproto", "--channel-mean", "--format", "csv")
	want := "---------- Prediction for img/p03.png ----------\n"
	rows := strings.Split(strings.TrimSpace(same), "\n")[1:]
	for _, row := range rows {
		cells := strings.Split(row, ",")
		want += fmt.Sprintf("%.4f - %q\n", atof(t, cells[4]), cells[3])
	}
	if len(rows) != 4 || stdout != want {
		t.Errorf("got\n%swant\n%s", stdout, want)
	}
}

func TestClassifyRefuses(t *testing.T) {
	classifyFolder(t)
	if err := os.Mkdir("empty", 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, "few.txt", "a\nb\n")
	write(t, "none.txt", "\n")
	deployed := []string{"deployed/deploy.prototxt", "deployed/deploy.caffemodel"}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{append(deployed[:2:2], "img/p00.png", "--labels", "few.txt"), "few.txt: the file has 2 labels, the net 4 classes"},
		{append(deployed[:2:2], "img/p00.png", "--labels", "none.txt"), "none.txt: the file has no labels"},
		{append(deployed[:2:2], "empty"), "empty: the folder has no images (files that end in .jpg, "},
		{append(deployed[:2:2], "empty", "no*.png"), `no file matches "no*.png"`},
		{append(deployed[:2:2], "img", "--batch", "-3"), "--batch is -3, want a positive number, or 0 for the batch size of the net's input"},
		{append(deployed[:2:2], "no*.png"), `no file matches "no*.png"`},
		{deployed, "classify: there are no images: want files, folders, patterns, or --list FILE"},
		{append(deployed[:2:2], "--list", "none.txt"), "none.txt: the list has no images"},
		{append(deployed[:2:2], "img", "--root", "img"), "--root is for the paths of --list"},
		{append(deployed[:2:2], "img", "-o", "x.txt"), "--output x.txt: want a name that ends in .csv, .json or .npy"},
		{append(deployed[:2:2], "img", "--format", "xml"), `--format is "xml", want text, csv, json or caffe`},
		{append(deployed[:2:2], "img", "--top-k", "0"), "--top-k is 0, want 1 or more"},
		{append(deployed[:2:2], "img", "--images-dim", "8"), `--images-dim is "8", want height and width, such as 256,256`},
		{append(deployed[:2:2], "img", "--images-dim", "16,16"), "deployed/deploy.prototxt: the mean image is 3 x 8 x 9 (channels x height x width), want 3 x 16 x 16, as images are scaled; give --images-dim 8,9, or --channel-mean"},
		{append(deployed[:2:2], "img", "--mean-file", "mean.binaryproto", "--mean-value", "1"), "want one mean"},
		{append(deployed[:2:2], "img", "--mean-value", "1,2"), "there are 2 mean values, the input has 3 channels: want one value for each, or one for all"},
		{append(deployed[:2:2], "img", "--raw-scale", "0"), "--scale and --raw-scale cannot be 0"},
		{append(deployed[:2:2], "img", "--threads", "99999"), "--threads is 99999, want 0 (one per core) to 32767"},
		{append(deployed[:2:2], "img", "--scores", "fc7"), `the net has no blob "fc7"`},
		{[]string{"net.prototxt", "x_iter_5.caffemodel", "img"}, `the net reads its data by layer "data" of type ImageData, want one for inference, with an Input layer (gocaffe deploy makes one)`},
		{deployed[:1], "classify: requires at least 2 arg(s), only received 1; usage: gocaffe classify MODEL WEIGHTS IMAGE..."},
	} {
		code, stdout, stderr := run(append([]string{"classify"}, tt.args...)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, %s%s, want %s", tt.args, code, stdout, stderr, tt.want)
		}
	}
}
