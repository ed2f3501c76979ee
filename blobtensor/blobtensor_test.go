package blobtensor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/blobtensor"
	"gorgonia.org/tensor"
)

// counting returns a blob of the shape with data 0, 1, 2, ... and diff 0, -1, -2, ...
func counting(t testing.TB, shape ...int) *blob.Blob {
	t.Helper()
	b, err := blob.New(shape...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.MutableData() {
		b.MutableData()[i], b.MutableDiff()[i] = float32(i), -float32(i)
	}
	return b
}

// TestRoundTrip turns blobs into tensors and back.
func TestRoundTrip(t *testing.T) {
	for _, shape := range [][]int{{1}, {7}, {2, 3}, {2, 1, 3}, {2, 3, 4, 5}, {}} {
		b := counting(t, shape...)
		for name, convert := range map[string]func(*blob.Blob) *tensor.Dense{"data": blobtensor.Data, "diff": blobtensor.Diff} {
			dense := convert(b)
			want := b.Data()
			if name == "diff" {
				want = b.Diff()
			}
			if !slices.Equal([]int(dense.Shape()), shape) {
				t.Errorf("%s of shape %v: the tensor has shape %v", name, shape, dense.Shape())
			}
			back := new(blob.Blob)
			if err := blobtensor.Set(back, dense); err != nil {
				t.Fatalf("%s of shape %v: %v", name, shape, err)
			}
			if !slices.Equal(back.Shape(), shape) || !slices.Equal(back.Data(), want) {
				t.Errorf("%s of shape %v comes back as shape %v, %v, want %v", name, shape, back.Shape(), back.Data(), want)
			}
		}
	}
	if dense := blobtensor.Data(counting(t, 2, 0, 3)); dense != nil {
		t.Errorf("a blob without elements is tensor %v", dense)
	}
}

// TestShared writes to a tensor and reads the blob, and vice versa.
func TestShared(t *testing.T) {
	b := counting(t, 2, 3)
	dense := blobtensor.Data(b)
	if err := dense.SetAt(float32(50), 1, 2); err != nil {
		t.Fatal(err)
	}
	if got := b.Data()[5]; got != 50 {
		t.Errorf("the blob has %g after 50 was written to the tensor", got)
	}
	b.MutableData()[0] = 60
	if got, err := dense.At(0, 0); err != nil || got != float32(60) {
		t.Errorf("the tensor has %v, %v after 60 was written to the blob", got, err)
	}
	if err := blobtensor.Diff(b).SetAt(float32(70), 0, 1); err != nil || b.Diff()[1] != 70 || b.Data()[1] != 1 {
		t.Errorf("after 70 was written to the gradient the blob has %v, %v (%v)", b.Data(), b.Diff(), err)
	}
	scalar := counting(t)
	if err := blobtensor.Data(scalar).Memset(float32(3)); err != nil || scalar.Data()[0] != 3 {
		t.Errorf("the scalar blob has %g after its tensor was set to 3 (%v)", scalar.Data()[0], err)
	}
	if blobtensor.Data(new(blob.Blob)) != nil {
		t.Error("the zero blob is a tensor")
	}
}

// TestSet copies tensors whose elements do not lie in a blob's order.
func TestSet(t *testing.T) {
	matrix := func() *tensor.Dense { // 0 1 2 / 3 4 5
		return tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float64{0, 1, 2, 3, 4, 5}))
	}
	for _, tt := range []struct {
		name  string
		make  func() (*tensor.Dense, error)
		shape []int
		want  []float32
	}{
		{"float64", func() (*tensor.Dense, error) { return matrix(), nil }, []int{2, 3}, []float32{0, 1, 2, 3, 4, 5}},
		{"transpose", func() (*tensor.Dense, error) {
			m := matrix()
			return m, m.T()
		}, []int{3, 2}, []float32{0, 3, 1, 4, 2, 5}},
		{"columns", func() (*tensor.Dense, error) {
			v, err := matrix().Slice(nil, tensor.S(1, 3))
			return v.(*tensor.Dense), err
		}, []int{2, 2}, []float32{1, 2, 4, 5}},
		{"one column", func() (*tensor.Dense, error) {
			v, err := matrix().Slice(nil, tensor.S(2))
			return v.(*tensor.Dense), err
		}, []int{2}, []float32{2, 5}},
		{"Fortran's order", func() (*tensor.Dense, error) { // AsFortran turns the elements round
			return tensor.New(tensor.WithShape(2, 3), tensor.AsFortran([]float32{0, 1, 2, 3, 4, 5})), nil
		}, []int{2, 3}, []float32{0, 1, 2, 3, 4, 5}},
	} {
		dense, err := tt.make()
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		b := new(blob.Blob)
		if err := blobtensor.Set(b, dense); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if !slices.Equal(b.Shape(), tt.shape) || !slices.Equal(b.Data(), tt.want) {
			t.Errorf("%s: shape %v, %v, want shape %v, %v", tt.name, b.Shape(), b.Data(), tt.shape, tt.want)
		}
	}
}

func TestSetRefuses(t *testing.T) {
	b := counting(t, 2)
	for _, tt := range []struct {
		dense *tensor.Dense
		want  string
	}{
		{tensor.New(tensor.WithBacking([]int{1, 2, 3})), "blobtensor: elements are int, want float32 or float64"},
		{tensor.New(tensor.WithShape(slices.Repeat([]int{1}, 33)...), tensor.WithBacking([]float32{1})), "blobtensor: blob has 33 axes, the limit is 32"},
	} {
		if err := blobtensor.Set(b, tt.dense); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("error %v, want %s", err, tt.want)
		}
		if !slices.Equal(b.Data(), []float32{0, 1}) {
			t.Errorf("after an error the blob is %v", b.Data())
		}
	}
}

// The mean of each column of a blob, by the tensor package.
func ExampleData() {
	features, err := blob.New(2, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	copy(features.MutableData(), []float32{1, 2, 3, 5, 6, 7})
	sum, err := blobtensor.Data(features).Sum(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	mean, err := sum.DivScalar(float32(2), true)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(mean.Data())
	// Output: [3 4 5]
}
