package blob

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
)

func newBlob(t *testing.T, shape ...int) *Blob {
	t.Helper()
	b, err := New(shape...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReshape(t *testing.T) {
	b := newBlob(t, 2, 3)
	if got := b.Data(); !slices.Equal(got, make([]float32, 6)) {
		t.Errorf("a new blob holds %v, want zeros", got)
	}
	copy(b.MutableData(), []float32{1, 2, 3, 4, 5, 6})
	copy(b.MutableDiff(), []float32{6, 5, 4, 3, 2, 1})
	if err := b.Reshape(4); err != nil {
		t.Fatal(err)
	}
	if got := b.Data(); !slices.Equal(got, []float32{1, 2, 3, 4}) {
		t.Errorf("a smaller shape holds %v, want the first numbers", got)
	}
	if err := b.Reshape(2, 2, 2); err != nil {
		t.Fatal(err)
	}
	if got := b.Data(); len(got) != 8 || !slices.Equal(got[:4], []float32{1, 2, 3, 4}) {
		t.Errorf("a larger shape holds %v, want the first numbers kept", got)
	}
	if got := b.Diff(); len(got) != 8 || !slices.Equal(got[:4], []float32{6, 5, 4, 3}) {
		t.Errorf("a larger shape has diff %v, want the first numbers kept", got)
	}
	if got := cap(b.Data()); got != 8 {
		t.Errorf("slice has room for %d numbers, want 8: an append must not write into the blob", got)
	}
}

func TestReshapeErrors(t *testing.T) {
	for _, test := range []struct {
		shape []int
		want  string
	}{
		{[]int{2, -1}, "blob shape [2 -1] has a negative size"},
		{[]int{65536, 65536}, "blob shape [65536 65536] has more than 2147483647 elements"},
		{[]int{math.MaxInt, 2}, "has more than 2147483647 elements"},
		{make([]int, 33), "blob has 33 axes, the limit is 32"},
	} {
		b := newBlob(t, 5)
		if err := b.Reshape(test.shape...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("shape %v: error %v, want %q", test.shape, err, test.want)
		}
		if !b.ShapeEqual([]int{5}) || b.Count() != 5 {
			t.Errorf("shape %v: a failed Reshape leaves %v", test.shape, b.Shape())
		}
	}
	if b := newBlob(t, 0, 65536, 65536); b.Count() != 0 {
		t.Errorf("a size of 0 gives %d numbers", b.Count())
	}
	if b := newBlob(t, math.MaxInt32); b.Count() != math.MaxInt32 || b.HostBytes() != 0 {
		t.Errorf("the largest blob has %d numbers and takes %d bytes before it is used", b.Count(), b.HostBytes())
	}
}

func TestShape(t *testing.T) {
	b := newBlob(t, 2, 3, 4)
	if b.Axes() != 3 || b.Count() != 24 || b.CountFrom(1) != 12 || b.CountFrom(3) != 1 || b.CountRange(0, 2) != 6 || b.CountRange(1, 1) != 1 {
		t.Errorf("axes %d, counts %d %d %d %d %d", b.Axes(), b.Count(), b.CountFrom(1), b.CountFrom(3), b.CountRange(0, 2), b.CountRange(1, 1))
	}
	if b.Dim(0) != 2 || b.Dim(-1) != 4 || b.Num() != 2 {
		t.Errorf("sizes %d %d, num %d", b.Dim(0), b.Dim(-1), b.Num())
	}
	for axis, want := range map[int]int{0: 0, 2: 2, -1: 2, -3: 0} {
		if got, err := b.Axis(axis); err != nil || got != want {
			t.Errorf("axis %d is %d, %v, want %d", axis, got, err, want)
		}
	}
	for _, axis := range []int{3, -4} {
		if _, err := b.Axis(axis); err == nil {
			t.Errorf("axis %d gives no error", axis)
		}
	}
	if got := b.ShapeString(); got != "2 3 4 (24)" {
		t.Errorf("shape string %q", got)
	}
	scalar := newBlob(t)
	if scalar.Count() != 1 || scalar.Num() != 1 || scalar.ShapeString() != "(1)" || len(scalar.Data()) != 1 {
		t.Errorf("scalar has %d numbers, num %d, shape string %q", scalar.Count(), scalar.Num(), scalar.ShapeString())
	}
	if b.ShapeEqual([]int{2, 3}) || b.ShapeEqual([]int{2, 3, 5}) || !b.ShapeEqual([]int{2, 3, 4}) {
		t.Error("ShapeEqual is wrong")
	}
}

// TestZero checks that the zero Blob may be asked for everything.
func TestZero(t *testing.T) {
	var b Blob
	if b.Count() != 0 || len(b.Data()) != 0 || len(b.MutableDiff()) != 0 || b.HostBytes() != 0 {
		t.Error("the zero Blob is not empty")
	}
	if err := b.ReshapeLike(newBlob(t, 2, 2)); err != nil || len(b.MutableData()) != 4 {
		t.Errorf("the zero Blob cannot be reshaped: %v", err)
	}
}

func TestShare(t *testing.T) {
	a, b := newBlob(t, 2, 3), newBlob(t, 6)
	if a.SharesData(b) {
		t.Error("new blobs share their data")
	}
	if err := b.ShareData(a); err != nil {
		t.Fatal(err)
	}
	a.MutableData()[4] = 7
	if b.Data()[4] != 7 || !a.SharesData(b) {
		t.Error("data are not shared")
	}
	a.MutableDiff()[4] = 8
	if b.Diff()[4] != 0 {
		t.Error("the diff is shared with the data")
	}
	if err := b.ShareDiff(a); err != nil || b.Diff()[4] != 8 {
		t.Errorf("the diff is not shared: %v", err)
	}
	// Growth of one is growth of both.
	if err := a.Reshape(100); err != nil {
		t.Fatal(err)
	}
	a.MutableData()[0] = 9
	if b.Data()[0] != 9 {
		t.Error("data are not shared any more after growth")
	}
	for _, err := range []error{newBlob(t, 5).ShareData(b), newBlob(t, 5).ShareDiff(b)} {
		if err == nil || !strings.Contains(err.Error(), "shape [5] cannot share") {
			t.Errorf("blobs of different counts share: %v", err)
		}
	}
}

func TestHostBytes(t *testing.T) {
	b := newBlob(t, 10)
	if n := b.HostBytes(); n != 0 {
		t.Errorf("an unused blob takes %d bytes", n)
	}
	b.Data()
	if n := b.HostBytes(); n != 40 {
		t.Errorf("data take %d bytes, want 40", n)
	}
	b.Diff()
	if n := b.HostBytes(); n != 80 {
		t.Errorf("data and diff take %d bytes, want 80", n)
	}
}

func TestAllocs(t *testing.T) {
	b := newBlob(t, 4, 5)
	b.MutableData()
	shape := []int{3, 5}
	if n := testing.AllocsPerRun(100, func() {
		if err := b.Reshape(2, 5); err != nil {
			t.Fatal(err)
		}
		if err := b.Reshape(shape...); err != nil {
			t.Fatal(err)
		}
		b.MutableData()[0]++
	}); n != 0 {
		t.Errorf("Reshape to a size that was there before allocates %v times", n)
	}
}

// TestStorage checks that arrays in one Storage are the same memory, of the
// size reserved, and that a larger one makes it grow for all.
func TestStorage(t *testing.T) {
	var s Storage
	s.Reserve(6)
	s.Reserve(4)
	a, b := newBlob(t, 4), newBlob(t, 6)
	a.MutableDiff()[0] = 5
	a.PlaceData(&s)
	b.PlaceDiff(&s)
	a.MutableData()[1] = 7
	if a.HostBytes() != 4*(6+4) {
		t.Errorf("a storage for 6 numbers and a gradient of 4 take %d bytes", a.HostBytes())
	}
	if b.Diff()[1] != 7 || b.Data()[1] != 0 || a.Diff()[0] != 5 {
		t.Errorf("b has data %v and diff %v, a has diff %v", b.Data(), b.Diff(), a.Diff())
	}
	if n := testing.AllocsPerRun(10, func() { a.MutableData()[0], b.MutableDiff()[0] = 1, 2 }); n != 0 {
		t.Errorf("arrays in turn allocate %v times", n)
	}
	if err := b.Reshape(50); err != nil {
		t.Fatal(err)
	}
	b.MutableDiff()[2] = 9
	if a.Data()[2] != 9 {
		t.Error("the arrays are not in one memory any more after growth")
	}
	c := newBlob(t, 4)
	c.PlaceData(&s)
	if !c.SharesData(a) || a.SharesData(b) {
		t.Error("SharesData is wrong for placed arrays")
	}
}

// TestDataPart checks that an array in a part of another is a piece of it, until it grows, is
// separated or moves to a device.
func TestDataPart(t *testing.T) {
	for _, test := range []struct {
		name  string
		leave func(s *Storage, part *Blob)
	}{
		{"grows", func(_ *Storage, part *Blob) {
			if err := part.Reshape(5); err != nil {
				t.Fatal(err)
			}
		}},
		{"separated", func(s *Storage, _ *Blob) { s.Separate(); s.Separate() }},
		{"on a device", func(_ *Storage, part *Blob) { part.DeviceData(newFakeDevice()) }},
	} {
		whole, part, inner := newBlob(t, 10), newBlob(t, 4), newBlob(t, 2)
		s := whole.DataPart(3, 4)
		part.PlaceData(s)
		inner.PlaceData(part.DataPart(1, 2))
		copy(part.MutableData(), []float32{1, 2, 3, 4})
		inner.MutableData()[0] = 20
		if got, want := whole.Data(), []float32{0, 0, 0, 1, 20, 3, 4, 0, 0, 0}; !slices.Equal(got, want) {
			t.Errorf("the whole has %v, want %v", got, want)
		}
		if p := part.Data(); cap(p) != 4 || &p[0] != &whole.Data()[3] {
			t.Errorf("the part has room for %d elements, or is not in the whole", cap(p))
		}
		if n := testing.AllocsPerRun(10, func() { part.MutableData()[0], inner.MutableData()[1] = 1, 3 }); n != 0 {
			t.Errorf("arrays in parts allocate %v times", n)
		}
		test.leave(s, part)
		if got := part.Data()[:4]; !slices.Equal(got, []float32{1, 20, 3, 4}) {
			t.Errorf("%s: the part has %v", test.name, got)
		}
		part.MutableData()[3] = 9
		if whole.Data()[6] != 4 || &part.Data()[1] != &inner.Data()[0] {
			t.Errorf("%s: the part is still in the whole, or not the whole of its own part", test.name)
		}
	}
	// A whole with a copy on a device.
	whole, part := newBlob(t, 3), newBlob(t, 2)
	part.PlaceData(whole.DataPart(1, 2))
	d := newFakeDevice()
	d.at(whole.MutableDeviceData(d), 3)[2] = 7
	if part.Data()[1] != 7 {
		t.Error("the part has not what the device wrote to the whole")
	}
	part.MutableData()[0] = 5
	if got := d.at(whole.DeviceData(d), 3)[1]; got != 5 {
		t.Errorf("the device finds %v in place of what the part has written", got)
	}
}

// Values that are set later take nothing until they are read, and are set once,
// wherever they are read first.
func TestFillLater(t *testing.T) {
	count := 0
	make2 := func() *Blob {
		b, err := New(2)
		if err != nil {
			t.Fatal(err)
		}
		b.FillLater(func(data []float32) {
			count++
			copy(data, []float32{3, 4})
		})
		return b
	}
	b := make2()
	shared, _ := New(2)
	if err := shared.ShareData(b); err != nil {
		t.Fatal(err)
	}
	if count != 0 || b.HostBytes() != 0 {
		t.Fatalf("filled %d times, %d bytes held before anybody reads", count, b.HostBytes())
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got := shared.Data(); !slices.Equal(got, []float32{3, 4}) {
				t.Errorf("got %v, want [3 4]", got)
			}
		})
	}
	group.Wait()
	b.MutableData()[0] = 5
	if got := b.Data(); count != 1 || !slices.Equal(got, []float32{5, 4}) {
		t.Errorf("filled %d times, got %v, want once and [5 4]", count, got)
	}

	count = 0
	d := newFakeDevice()
	b = make2()
	if got := d.at(b.DeviceData(d), 2); count != 1 || !slices.Equal(got, []float32{3, 4}) {
		t.Errorf("on a device: filled %d times, got %v", count, got)
	}

	count = 0
	b = make2()
	if err := b.FromProto(&caffepb.BlobProto{Shape: &caffepb.BlobShape{Dim: []int64{2}}, Data: []float32{7, 8}}, false); err != nil {
		t.Fatal(err)
	}
	if got := b.Data(); count != 0 || !slices.Equal(got, []float32{7, 8}) {
		t.Errorf("weights of a file: filled %d times, got %v, want never and [7 8]", count, got)
	}
}
