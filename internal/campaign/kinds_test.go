package campaign

import (
	"bytes"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// A kind is a reader and the command that uses it to read a file.
type kind struct {
	name string
	file string   // the file to change, in the fixture; "" for command lines
	args []string // the command that reads it
	text bool

	// checked means that the format protects all of its contents, for example by a
	// checksum: a mutant that is accepted must give the result of the original.
	checked bool

	// native means that a library in C reads the file, which may crash.
	native bool

	// skip leaves out a mutant that legitimately requests much work or memory.
	skip func(mutant []byte) bool
}

// large matches numbers that make a net compute for a long time.
var large = regexp.MustCompile(`(^|[^0-9.])[0-9]{4}|[0-9]e[0-9]`)

func isLarge(mutant []byte) bool { return large.Match(mutant) }

var kinds = []kind{
	{name: "net", file: "net.prototxt", args: []string{"check", "net.prototxt"}, text: true},
	{name: "net that runs", file: "run.prototxt", args: []string{"train", "--solver", "run_solver.prototxt"}, text: true, skip: isLarge},
	{name: "solver", file: "solver.prototxt", args: []string{"check", "solver.prototxt"}, text: true},
	{name: "solver that runs", file: "few_solver.prototxt", args: []string{"train", "--solver", "few_solver.prototxt"}, text: true,
		skip: func(m []byte) bool { return isLarge(m) || !bytes.Contains(m, []byte("max_iter: 3\n")) }},
	{name: "caffemodel", file: "ref/s_iter_4.caffemodel", args: []string{"weights", "ref/s_iter_4.caffemodel", "--json"}},
	{name: "caffemodel in a net", file: "ref/s_iter_4.caffemodel", args: []string{"test", "--model", "net.prototxt", "--weights", "ref/s_iter_4.caffemodel", "--iterations", "1"}},
	{name: "solverstate", file: "ref/s_iter_4.solverstate", args: []string{"train", "--solver", "next_solver.prototxt", "--snapshot", "ref/s_iter_4.solverstate"}},
	{name: "weights of a solverstate", file: "ref/s_iter_4.caffemodel", args: []string{"train", "--solver", "next_solver.prototxt", "--snapshot", "ref/s_iter_4.solverstate"}, checked: true},
	{name: "mean", file: "mean.binaryproto", args: []string{"test", "--model", "mean.prototxt", "--weights", "ref/s_iter_4.caffemodel", "--iterations", "1"}},
	{name: "LMDB", file: "db/data.mdb", args: []string{"compute-mean", "db", "mean_of_db"}},
	{name: "LMDB in a net", file: "db/data.mdb", args: []string{"test", "--model", "net.prototxt", "--weights", "ref/s_iter_4.caffemodel", "--iterations", "4"}},
	{name: "LevelDB log", file: "ldb/000001.log", args: []string{"compute-mean", "ldb", "mean_of_db"}},
	{name: "LevelDB manifest", file: "ldb/MANIFEST-000000", args: []string{"compute-mean", "ldb", "mean_of_db"}},
	{name: "LevelDB table", file: "tables/000004.ldb", args: []string{"compute-mean", "tables", "mean_of_db"}},
	{name: "LevelDB in a net", file: "ldb/000001.log", args: []string{"test", "--model", "leveldb.prototxt", "--weights", "ref/s_iter_4.caffemodel", "--iterations", "4"}},
	{name: "IDX images", file: "images.idx", args: []string{"convert", "mnist", "images.idx", "labels.idx", "out"}},
	{name: "IDX labels", file: "labels.idx", args: []string{"convert", "mnist", "images.idx", "labels.idx", "out"}},
	{name: "IDX gzipped", file: "images.idx.gz", args: []string{"convert", "mnist", "images.idx.gz", "labels.idx.gz", "out"}, checked: true},
	{name: "CIFAR", file: "cifar/data_batch_2.bin", args: []string{"convert", "cifar10", "cifar", "out"}},
	{name: "CIFAR in tar.gz", file: "cifartar/cifar-10-binary.tar.gz", args: []string{"convert", "cifar10", "cifartar", "out"}, checked: true},
	{name: "PNG", file: "images/i0.png", args: []string{"convert", "imageset", "images", "one.txt", "out"}, checked: true},
	{name: "JPEG", file: "images/i3.jpg", args: []string{"convert", "imageset", "images", "two.txt", "out"}},
	{name: "BMP", file: "images/b.bmp", args: []string{"convert", "imageset", "images", "bmp.txt", "out"}},
	{name: "TIFF", file: "images/t.tif", args: []string{"convert", "imageset", "images", "tif.txt", "out"}},
	{name: "PPM", file: "images/p.ppm", args: []string{"convert", "imageset", "images", "ppm.txt", "out"}},
	{name: "image list", file: "list.txt", args: []string{"convert", "imageset", "images", "list.txt", "out"}, text: true},
	{name: "image list in a net", file: "list.txt", args: []string{"test", "--model", "images.prototxt", "--weights", "ref/s_iter_4.caffemodel", "--iterations", "2"}, text: true},
	{name: "tar", file: "images.tar", args: []string{"convert", "imageset", "images.tar", "list.txt", "out"}},
	{name: "tar.gz", file: "images.tar.gz", args: []string{"convert", "imageset", "images.tar.gz", "list.txt", "out"}, checked: true},
	{name: "npz", file: "w.npz", args: []string{"weights", "w.npz", "--json"}, checked: true},
	{name: "--proto", file: "fork.proto", args: []string{"--proto", "fork.proto", "--ignore-unknown-fields", "check", "fork.prototxt"}, text: true},
	{name: "old net", file: "old.prototxt", args: []string{"upgrade-net", "old.prototxt", "out"}, text: true},
	{name: "log", file: "train.log", args: []string{"parse-log", "train.log", "parsed"}, text: true},
	{name: "flag file", file: "flags", args: []string{"test", "--flagfile", "flags"}, text: true, skip: isLarge},
	{name: "command line", args: []string{"test", "--model", "net.prototxt", "--weights", "ref/s_iter_4.caffemodel", "--iterations", "1", "--top-k", "1", "--threads", "2"},
		text: true, skip: unwanted},
	{name: "command line of train", args: []string{"train", "-solver", "few_solver.prototxt", "--weights=ref/s_iter_4.caffemodel", "--sigint_effect", "stop", "--logtostderr"},
		text: true, skip: unwanted},
	{name: "command line of convert", args: []string{"convert", "imageset", "--resize_height=10", "--resize-width", "10", "--gray", "images/", "list.txt", "out", "--encoded", "--encode_type", "png", "--max-bad", "50"},
		text: true, skip: unwanted},
	{name: "command line of deploy", args: []string{"deploy", "--model", "net.prototxt", "--weights", "ref/s_iter_4.caffemodel", "-o", "out", "--batch", "3", "--input-shape", "1,6,6"},
		text: true, skip: unwanted},
}

// unwanted leaves out command lines that would run for a long time or write outside the
// fixture.
func unwanted(mutant []byte) bool {
	if isLarge(mutant) {
		return true
	}
	for arg := range strings.SplitSeq(string(mutant), "\n") {
		if _, value, ok := strings.Cut(arg, "="); ok {
			arg = value
		}
		switch {
		case strings.HasPrefix(arg, "/"), strings.Contains(arg, ".."):
			return true
		case arg == "build", arg == "new-layer", arg == "bench", arg == "demo":
			return true
		}
	}
	return false
}

// mutantFixture creates a folder in which the commands of all kinds work.
func mutantFixture(t *testing.T, dir string) {
	trainFixture(t, dir, "max_iter: 4\nsnapshot: 4\nlr_policy: \"fixed\"\n")
	mustRun(t, dir, "train", "--solver", "solver.prototxt")
	file := func(name, text string) { write(t, filepath.Join(dir, name), []byte(text)) }
	file("ref/.keep", "")
	for _, name := range []string{"s_iter_4.caffemodel", "s_iter_4.solverstate"} {
		if err := os.Rename(filepath.Join(dir, "snap", name), filepath.Join(dir, "ref", name)); err != nil {
			t.Fatal(err)
		}
	}
	short := regexp.MustCompile(`(?m)^test_.*\n`).ReplaceAllString(solverText, "")
	file("run.prototxt", netText)
	file("run_solver.prototxt", strings.Replace(short, "net.prototxt", "run.prototxt", 1)+"max_iter: 2\nlr_policy: \"fixed\"\n")
	file("few_solver.prototxt", solverText+"max_iter: 3\nlr_policy: \"step\"\nstepsize: 2\ngamma: 0.1\nsnapshot: 2\n")
	file("next_solver.prototxt", short+"max_iter: 6\nlr_policy: \"fixed\"\n")
	file("mean.prototxt", strings.ReplaceAll(netText, "crop_size: 6", `crop_size: 6 mean_file: "mean.binaryproto"`))
	mustRun(t, dir, "compute-mean", "db", "mean.binaryproto")
	mustRun(t, dir, "weights", "ref/s_iter_4.caffemodel", "--to", "w.npz")
	idxFixture(t, dir, 20)
	imageFixture(t, dir, 6)
	mustRun(t, dir, "convert", "mnist", "images.idx", "labels.idx", "ldb", "--backend", "leveldb")
	levelDBTables(t, dir)
	file("leveldb.prototxt", strings.NewReplacer(`"db"`, `"ldb"`, "LMDB", "LEVELDB").Replace(netText))
	cifarFixture(t, dir, 2)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture(3), nil); err != nil {
		t.Fatal(err)
	}
	file("images/i3.jpg", b.String())
	for name, encode := range map[string]func(io.Writer, image.Image) error{
		"b.bmp": bmp.Encode,
		"t.tif": func(w io.Writer, m image.Image) error {
			return tiff.Encode(w, m, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
		},
	} {
		b.Reset()
		if err := encode(&b, picture(4)); err != nil {
			t.Fatal(err)
		}
		file("images/"+name, b.String())
		file(name[2:]+".txt", name+" 0\n")
	}
	file("images/p.ppm", "P6\n# a comment\n4 3\n255\n"+string(pixels(random("ppm", 0), 1, 3*4*3)))
	file("ppm.txt", "p.ppm 0\n")
	file("old.prototxt", oldNetText)
	file("parsed/.keep", "")
	file("train.log", mustLog(t, dir))
	file("one.txt", "i0.png 0\n")
	file("two.txt", "i3.jpg 0\n")
	file("images.tar", string(gunzipped(t, read(t, filepath.Join(dir, "images.tar.gz")))))
	file("images.prototxt", strings.NewReplacer(`type: "Data"`, `type: "ImageData"`, `data_param { source: "db"`,
		`image_data_param { source: "list.txt" root_folder: "images/" new_height: 8 new_width: 8 is_color: false`, " backend: LMDB", "").Replace(netText))
	file("fork.proto", forkProto)
	file("fork.prototxt", netText+`layer { name: "f" type: "ReLU" bottom: "pool" top: "f" fork_param { depth: 2 mode: SLOW } }`+"\n")
	hdf5Fixture(t, dir)
	file("flags", "--model=net.prototxt\n--weights=ref/s_iter_4.caffemodel\n# a comment\n--iterations=1\n--threads=2\n")
}

// oldNetText is a net in the V1 format, with fields that moved since.
const oldNetText = `name: "old"
input: "x" input_dim: 1 input_dim: 1 input_dim: 6 input_dim: 6
layers { name: "conv" type: CONVOLUTION bottom: "x" top: "conv" blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0
  convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "gaussian" std: 0.1 } } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layers { name: "prob" type: SOFTMAX bottom: "pool" top: "prob" include { phase: TEST stage: "a" } }
`

// mustLog returns a log of training, without what differs from run to run.
func mustLog(t *testing.T, dir string) string {
	t.Helper()
	out, err := program(dir, "train", "--solver", "few_solver.prototxt").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return regexp.MustCompile(`(?m)^([IW])\d{4} [\d:.]+ +\d+ `).ReplaceAllString(string(out), "${1}0102 03:04:05.000006 7 ")
}

// forkProto is the part of a fork's caffe.proto that it adds to Caffe's.
const forkProto = `syntax = "proto2";
package caffe;
message LayerParameter {
  optional string name = 1;
  optional string type = 2;
  repeated string bottom = 3;
  repeated string top = 4;
  optional ForkParameter fork_param = 9001;
}
// What the fork adds.
message ForkParameter {
  enum Mode { FAST = 0; SLOW = 1; }
  optional uint32 depth = 1 [default = 1];
  optional Mode mode = 2 [default = FAST];
  repeated float scale = 3 [packed = true];
  reserved 7 to 9;
}
`
