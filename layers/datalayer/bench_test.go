//go:build unix

package datalayer

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/internal/cputime"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"google.golang.org/protobuf/proto"
)

// BenchmarkData runs whole data layers: reading, decoding and transforming. It reports
// how many images one core can supply in a second.
func BenchmarkData(b *testing.B) {
	const (
		crop    = "crop_size: 32 mirror: true pad: 4 mean_value: 125 scale: 0.01"
		colors  = " distort_param { brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5 contrast_upper: 1.5 saturation_prob: 0.5 saturation_lower: 0.5 saturation_upper: 1.5 hue_prob: 0.5 hue_delta: 18 }"
		augment = " max_rotation_angle: 10 cutout_size: 8" + colors
		large   = "crop_size: 224 mirror: true mean_value: 104 mean_value: 117 mean_value: 123"
		aspect  = " random_aspect_ratio_param { min_area_ratio: 0.08 aspect_ratio_change: 0.75 }"
	)
	mnist := benchDatabase(b, caffepb.DataParameter_LMDB, 1, 28)
	level := benchDatabase(b, caffepb.DataParameter_LEVELDB, 1, 28)
	cifar := benchDatabase(b, caffepb.DataParameter_LMDB, 3, 32)
	list := jpegList(b)
	database := func(dir, transform, more string) string {
		text := strings.Replace(dataText(dir, "transform_param { "+transform+" }"), "batch_size: 4", "batch_size: 128 "+more, 1)
		if dir == level {
			text = strings.Replace(text, "LMDB", "LEVELDB", 1)
		}
		return text
	}
	images := func(transform string) string {
		return strings.NewReplacer("batch_size: 4", "batch_size: 32", "is_color: false", "").Replace(imageText(list, "", transform))
	}
	for _, c := range []struct {
		name, text string
		batch      int
	}{
		{"MNIST", database(mnist, "scale: 0.00390625", ""), 128},
		{"MNIST,LevelDB", database(level, "scale: 0.00390625", ""), 128},
		{"MNIST,LevelDB,cache", database(level, "scale: 0.00390625", "cache: true"), 128},
		{"MNIST,shuffle", database(mnist, "scale: 0.00390625", "shuffle: true"), 128},
		{"CIFAR", database(cifar, "mean_value: 125", ""), 128},
		{"CIFAR,crop", database(cifar, crop, ""), 128},
		{"CIFAR,augmented", database(cifar, crop+augment, ""), 128},
		{"JPEG256", images(large), 32},
		{"JPEG256,colors", images(large + colors), 32},
		{"JPEG256,aspect", images(large + aspect), 32},
	} {
		b.Run(c.name, func(b *testing.B) {
			env := new(layers.Env)
			f, err := layertest.SetUp(env, c.text)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			if err := f.Forward(); err != nil { // starts the reading ahead
				b.Fatal(err)
			}
			used := cputime.Used(b)
			b.ResetTimer()
			for b.Loop() {
				env.Pass++
				if err := f.Forward(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(c.batch*b.N)/(cputime.Used(b)-used).Seconds(), "images/s-core")
		})
	}
}

// benchDatabase writes 2,048 records of random bytes and returns the folder.
func benchDatabase(b *testing.B, backend caffepb.DataParameter_DB, channels, side int) string {
	dir := filepath.Join(b.TempDir(), "db")
	w, err := data.Create(dir, backend, false)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.NewChaCha8([32]byte{})
	pixels := make([]byte, channels*side*side)
	for i := range 2048 {
		r.Read(pixels)
		value, err := proto.Marshal(&caffepb.Datum{
			Channels: proto.Int32(int32(channels)), Height: proto.Int32(int32(side)), Width: proto.Int32(int32(side)),
			Data: pixels, Label: proto.Int32(int32(i % 10)),
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Append(fmt.Appendf(nil, "%08d", i), value); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		b.Fatal(err)
	}
	return dir
}

// jpegList writes 16 JPEG files of 256 x 256 pixels with waves and noise, about 20 KB
// each as photographs are, and a list of them.
func jpegList(b *testing.B) string {
	dir := b.TempDir()
	var list strings.Builder
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 16 {
		im := image.NewRGBA(image.Rect(0, 0, 256, 256))
		for y := range 256 {
			for x := range 256 {
				v := func(phase float64) uint8 {
					return uint8(120 + 80*math.Sin(float64(x*(i+3)+y*5)/60+phase) + 16*r.Float64())
				}
				im.Set(x, y, color.RGBA{v(0), v(1), v(2), 255})
			}
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, im, &jpeg.Options{Quality: 85}); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%d.jpg", dir, i), file.Bytes(), 0o644); err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(&list, "%d.jpg %d\n", i, i)
	}
	name := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(name, []byte(list.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	return name
}
