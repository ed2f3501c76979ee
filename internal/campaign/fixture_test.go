package campaign

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/lmdb"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
	"google.golang.org/protobuf/proto"
)

// The fixture's data: images of 2 classes, 1 x side x side.
const (
	side    = 8
	records = 40
)

// netText is a net with every kind of state that a snapshot must include: dropout,
// crops and mirroring, running means, and a margin that changes with the iteration.
const netText = `name: "small"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mirror: true crop_size: 6 scale: 0.0078125 }
  data_param { source: "db" batch_size: 4 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 6 scale: 0.0078125 }
  data_param { source: "db" batch_size: 10 backend: LMDB } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" dropout_param { dropout_ratio: 0.25 } }
layer { name: "ip" type: "LargeMarginInnerProduct" bottom: "pool" bottom: "label" top: "ip" include { phase: TRAIN }
  largemargin_inner_product_param { num_output: 2 type: DOUBLE base: 100 gamma: 0.01 power: 1 lambda_min: 1 iteration: 0
    weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" include { phase: TEST }
  inner_product_param { num_output: 2 bias_term: false } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
`

// solverText trains the net. The tests append max_iter, snapshot and the policy.
const solverText = `net: "net.prototxt"
test_iter: 2
test_interval: 10
base_lr: 0.01
momentum: 0.9
weight_decay: 0.0005
type: "Adam"
display: 5
snapshot_prefix: "snap/s"
random_seed: 3
`

// pixels returns an image of a class, with noise.
func pixels(r *rand.Rand, label, size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(r.IntN(100) + 100*((i/3+label)%2))
	}
	return p
}

// datums creates a database of images of two classes.
func datums(t testing.TB, dir string, r *rand.Rand) {
	database(t, dir, side, func(i int) (data []byte, label int) { return pixels(r, i%2, side*side), i % 2 })
}

// integers creates a database with data and labels from 0 to 4.
func integers(t testing.TB, dir string, r *rand.Rand) {
	database(t, dir, 3, func(int) (data []byte, label int) {
		data = make([]byte, 3*3)
		for i := range data {
			data[i] = byte(r.IntN(5))
		}
		return data, r.IntN(5)
	})
}

// levelDBTables makes a LevelDB database in the folder tables whose records are in a
// table, which makes mutants of tables possible: gocaffe itself writes tables only
// where there is more data.
func levelDBTables(t testing.TB, dir string) {
	db, err := leveldb.OpenFile(filepath.Join(dir, "tables"), &opt.Options{BlockSize: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r := random("tables", 0)
	for i := range records {
		if err := db.Put(fmt.Appendf(nil, "%08d", i), datum(t, side, pixels(r, i%2, side*side), i%2), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.CompactRange(util.Range{}); err != nil {
		t.Fatal(err)
	}
}

// datum returns an image of one channel as a record of a database.
func datum(t testing.TB, side int, data []byte, label int) []byte {
	d, err := proto.Marshal(&caffepb.Datum{
		Channels: proto.Int32(1), Height: proto.Int32(int32(side)), Width: proto.Int32(int32(side)),
		Data: data, Label: proto.Int32(int32(label)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func database(t testing.TB, dir string, side int, record func(i int) (data []byte, label int)) {
	w, err := lmdb.Create(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i := range records {
		data, label := record(i)
		if err := w.Append(fmt.Appendf(nil, "%08d", i), datum(t, side, data, label)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// trainFixture creates a folder in which train works.
func trainFixture(t testing.TB, dir, solver string) {
	write(t, filepath.Join(dir, "net.prototxt"), []byte(netText))
	write(t, filepath.Join(dir, "solver.prototxt"), []byte(solverText+solver))
	write(t, filepath.Join(dir, "snap", ".keep"), nil)
	datums(t, filepath.Join(dir, "db"), random("records", 0))
}

// picture returns image i of the fixture.
func picture(i int) image.Image {
	r := random("picture", i)
	m := image.NewRGBA(image.Rect(0, 0, 12, 10))
	for y := range 10 {
		for x := range 12 {
			m.Set(x, y, color.RGBA{byte(20 * x), byte(25 * y), byte(r.IntN(256)), 255})
		}
	}
	return m
}

// imageFixture creates a folder with images, a list of them and an archive.
func imageFixture(t testing.TB, dir string, n int) {
	var list, tarred bytes.Buffer
	zipped := gzip.NewWriter(&tarred)
	archive := tar.NewWriter(zipped)
	for i := range n {
		var b bytes.Buffer
		name := fmt.Sprintf("i%d.png", i)
		err := png.Encode(&b, picture(i))
		if i%4 == 3 {
			b.Reset()
			name = fmt.Sprintf("i%d.jpg", i)
			err = jpeg.Encode(&b, picture(i), nil)
		}
		if err == nil {
			err = archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(b.Len())})
		}
		if err == nil {
			_, err = archive.Write(b.Bytes())
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "images", name), b.Bytes())
		fmt.Fprintf(&list, "%s %d\n", name, i%2)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "list.txt"), list.Bytes())
	write(t, filepath.Join(dir, "images.tar.gz"), tarred.Bytes())
}

// idxFixture creates a folder with plain and gzipped IDX files.
func idxFixture(t testing.TB, dir string, n int) {
	r := random("idx", 0)
	images := binary.BigEndian.AppendUint32(nil, 0x803)
	for _, size := range []int{n, side, side} {
		images = binary.BigEndian.AppendUint32(images, uint32(size))
	}
	labels := binary.BigEndian.AppendUint32(nil, 0x801)
	labels = binary.BigEndian.AppendUint32(labels, uint32(n))
	for i := range n {
		images = append(images, pixels(r, i%2, side*side)...)
		labels = append(labels, byte(i%2))
	}
	for name, data := range map[string][]byte{"images": images, "labels": labels} {
		write(t, filepath.Join(dir, name+".idx"), data)
		write(t, filepath.Join(dir, name+".idx.gz"), gzipped(t, data))
	}
}

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// cifarFixture creates a folder like CIFAR-10's, with n images per file.
func cifarFixture(t testing.TB, dir string, n int) {
	r := random("cifar", 0)
	var tarred bytes.Buffer
	zipped := gzip.NewWriter(&tarred)
	archive := tar.NewWriter(zipped)
	for _, name := range strings.Fields("data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch") {
		var b []byte
		for i := range n {
			b = append(append(b, byte(i%10)), pixels(r, i%2, 3*32*32)...)
		}
		write(t, filepath.Join(dir, "cifar", name+".bin"), b)
		err := archive.WriteHeader(&tar.Header{Name: "cifar-10-batches-bin/" + name + ".bin", Mode: 0o644, Size: int64(len(b))})
		if err == nil {
			_, err = archive.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cifartar", "cifar-10-binary.tar.gz"), tarred.Bytes())
}

func gunzipped(t testing.TB, data []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		data, err = io.ReadAll(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}
