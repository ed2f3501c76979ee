package net

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const (
	inputOf  = "layer { name: 'in' type: 'Input' top: 'data' top: 'info' input_param { shape { dim: 1 dim: 3 dim: 6 dim: 5 } shape { dim: 1 dim: 2 } } }\n"
	bare     = "layer { name: 'in' type: 'Input' top: 'data' top: 'info' }\n"
	bareMore = "layer { name: 'in' type: 'Input' top: 'more' }\n"
	dummy    = "layer { name: 'du' type: 'DummyData' top: 'data' top: 'info' dummy_data_param { shape { dim: 2 dim: 3 } } }\n"
	fromDB   = "layer { name: 'db' type: 'Data' top: 'data' top: 'info' data_param { source: 'no/db' batch_size: 6 backend: LMDB } }\n"
	second   = "layer { name: 'next' type: 'Input' top: 'more' input_param { shape { dim: 1 dim: 7 } } }\n"
	other    = "layer { name: 'else' type: 'Input' top: 'other' include { phase: TRAIN } }\n"
)

// TestSyntheticInputs gives shapes and batch sizes to Input layers, and to data layers
// beside them.
func TestSyntheticInputs(t *testing.T) {
	shape := []int{3, 8, 9}
	for _, tt := range []struct {
		text       string
		opts       Synthetic
		data, info []int
	}{
		{inputOf, Synthetic{}, []int{1, 3, 6, 5}, []int{1, 2}},
		{inputOf, Synthetic{Shape: shape}, []int{1, 3, 8, 9}, []int{1, 2}},
		{inputOf, Synthetic{Batch: 4}, []int{4, 3, 6, 5}, []int{4, 2}},
		{inputOf, Synthetic{Shape: shape, Batch: 4}, []int{4, 3, 8, 9}, []int{4, 2}},
		{inputOf, Synthetic{Named: map[string][]int{"in": shape, "info": {5}}}, []int{1, 3, 8, 9}, []int{1, 5}},
		{inputOf, Synthetic{Named: map[string][]int{"data": shape}, Batch: 2}, []int{2, 3, 8, 9}, []int{2, 2}},
		{inputOf + second, Synthetic{Shape: shape}, []int{1, 3, 8, 9}, []int{1, 2}},
		{inputOf + other, Synthetic{Named: map[string][]int{"other": shape}}, []int{1, 3, 6, 5}, []int{1, 2}},
		{bare, Synthetic{Shape: shape, Batch: 4}, []int{4, 3, 8, 9}, []int{4}},
		{bare, Synthetic{}, nil, nil},
		{fromDB + second, Synthetic{Shape: shape, Batch: 2}, []int{2, 3, 8, 9}, []int{2}},
	} {
		tt.opts.Inputs = true
		n := build(t, tt.text, Options{Synthetic: &tt.opts})
		if data, info := n.Blob("data").Shape(), n.Blob("info").Shape(); !slices.Equal(data, tt.data) || !slices.Equal(info, tt.info) {
			t.Errorf("%s%+v: shapes %v and %v, want %v and %v", tt.text, tt.opts, data, info, tt.data, tt.info)
		}
		n.Close()
	}
}

// TestSyntheticInputsRefuses has shapes and batch sizes that no layer takes.
func TestSyntheticInputsRefuses(t *testing.T) {
	shape := []int{3, 8, 9}
	for _, tt := range []struct {
		text, want string
		unused     bool
		opts       Synthetic
	}{
		{dummy, `layer "du": the input shape [3 8 9] and the batch size 4 is for data layers and inputs, and type DummyData takes no shape but that in the file`,
			true, Synthetic{Shape: shape, Batch: 4}},
		{dummy, `layer "du": the batch size 4 is for`, true, Synthetic{Batch: 4}},
		{dummy, `layer "du": the input shape info=[3 8 9] is for`, true, Synthetic{Named: map[string][]int{"info": shape}}},
		{inputOf, `net.prototxt: the input shape dada=[3 8 9] is for no layer`, true, Synthetic{Named: map[string][]int{"dada": shape}}},
		{bare, `layer "in": the batch size is 4, and the shape of an item is not in the file: give it too`, false, Synthetic{Batch: 4}},
		{bare, `layer "in": the batch size of synthetic data is 0, want 1 or more`, false, Synthetic{Shape: shape}},
		{fromDB + bareMore, `layer "db" has taken it`, false, Synthetic{Shape: shape, Batch: 4}},
	} {
		tt.opts.Inputs = true
		_, err := New(parse(t, tt.text), Options{Synthetic: &tt.opts})
		var unused *InputError
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &unused) != tt.unused {
			t.Errorf("%s%+v: got %v, want %s", tt.text, tt.opts, err, tt.want)
		}
	}
}
