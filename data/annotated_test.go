package data_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data"
)

// TestAnnotated compares a record with its bytes, taken from SSD's caffe.proto by hand,
// and reads it again.
func TestAnnotated(t *testing.T) {
	objects := []data.Object{
		{Label: 3, Instance: 1, XMin: 0.5, YMin: 0.25, XMax: 1, YMax: 2, Difficult: true},
		{Label: 1, XMax: 1, YMax: 1},
		{Label: 3, Instance: 2},
	}
	datum := []byte{1 << 3, 2, 2 << 3, 1, 3 << 3, 1, 4<<3 | 2, 2, 'a', 'b'} // 2 channels, height 1, width 1, data
	box := func(difficult byte, coordinates string) string {
		return "\x0d" + coordinates[:4] + "\x15" + coordinates[4:8] + "\x1d" + coordinates[8:12] + "\x25" + coordinates[12:] + "\x30" + string(difficult)
	}
	const zero, quarter, half, one, two = "\x00\x00\x00\x00", "\x00\x00\x80\x3e", "\x00\x00\x00\x3f", "\x00\x00\x80\x3f", "\x00\x00\x00\x40"
	annotation := func(instance byte, box string) string {
		return "\x12\x1a\x08" + string(instance) + "\x12\x16" + box // field 2 of the group
	}
	want := "\x0a\x0a" + string(datum) + "\x10\x00" +
		"\x1a\x3a\x08\x03" + annotation(1, box(1, half+quarter+one+two)) + annotation(2, box(0, zero+zero+zero+zero)) +
		"\x1a\x1e\x08\x01" + annotation(0, box(0, zero+zero+one+one))
	got := data.AppendAnnotated(nil, datum, objects)
	if string(got) != want {
		t.Fatalf("bytes\n% x, want\n% x", got, want)
	}
	var d data.AnnotatedDatum
	if err := d.Unmarshal(got); err != nil {
		t.Fatal(err)
	}
	if d.Datum.Channels != 2 || !bytes.Equal(d.Datum.Data, []byte("ab")) || !d.Boxes {
		t.Errorf("datum %+v, boxes %v", d.Datum, d.Boxes)
	}
	if grouped := []data.Object{objects[0], objects[2], objects[1]}; !reflect.DeepEqual(d.Objects, grouped) {
		t.Errorf("objects %v, want %v", d.Objects, grouped)
	}
	for n := range got {
		if err := d.Unmarshal(got[:n]); err != nil && !strings.Contains(err.Error(), "message") {
			t.Errorf("%d bytes: error %v", n, err)
		}
	}
	if err := d.Unmarshal(got[:len(got)-1]); err == nil {
		t.Error("no error about a record that is cut short")
	}
	if err := d.Unmarshal([]byte("\x10\x05")); err == nil || !strings.Contains(err.Error(), "type 5, want 0") {
		t.Errorf("error %v about an unknown type", err)
	}
}

// TestInterpolation checks what each interpolation keeps: a constant, a ramp away from
// the edges, a mean.
func TestInterpolation(t *testing.T) {
	var r data.Resizer
	ramp := data.Image{Channels: 2, Height: 12, Width: 20, Pix: make([]byte, 480)} // 10 x and 77
	for i := range 240 {
		ramp.Pix[2*i], ramp.Pix[2*i+1] = byte(10*(i%20)), 77
	}
	for _, how := range []data.Interpolation{data.Linear, data.Nearest, data.Area, data.Cubic, data.Lanczos4} {
		for _, size := range [][2]int{{6, 10}, {4, 5}, {24, 31}, {12, 20}} {
			var dst data.Image
			h, w := size[0], size[1]
			r.Resize(&dst, &ramp, h, w, how)
			scale := 20 / float64(w)
			for i := range h * w {
				want := 10 * ((float64(i%w)+0.5)*scale - 0.5)
				off := 1.0
				if how == data.Nearest {
					off = 10 * (scale/2 + 0.5) // at most half a pixel of the result away, and rounded
				}
				if got := float64(dst.Pix[2*i]); want > 35 && want < 155 && (got < want-off || got > want+off) {
					t.Fatalf("interpolation %d to %d x %d: column %d is %g, want %g", how, h, w, i%w, got, want)
				}
				if got := dst.Pix[2*i+1]; got != 77 {
					t.Fatalf("interpolation %d to %d x %d: %d, want 77", how, h, w, got)
				}
			}
		}
	}
	var dst data.Image
	r.Resize(&dst, &data.Image{Channels: 1, Height: 1, Width: 6, Pix: []byte{10, 20, 60, 0, 90, 30}}, 1, 2, data.Area)
	if dst.Pix[0] != 30 || dst.Pix[1] != 40 {
		t.Errorf("means %v, want 30 and 40", dst.Pix)
	}
	r.Resize(&dst, &data.Image{Channels: 1, Height: 1, Width: 4, Pix: []byte{1, 2, 3, 4}}, 1, 2, data.Nearest)
	if dst.Pix[0] != 1 || dst.Pix[1] != 3 {
		t.Errorf("nearest pixels %v, want 1 and 3", dst.Pix)
	}
}
