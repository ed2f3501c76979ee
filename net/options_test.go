package net

import (
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// TestOptionsRefuses has values of options that no constant has.
func TestOptionsRefuses(t *testing.T) {
	for want, opts := range map[string]Options{
		"precision Precision(17): unknown precision, want FP32 or BF16": {Precision: 17},
		"precision Precision(-1): unknown precision, want FP32 or BF16": {Precision: kernel.Precision(-1)},
		`engine is "Engine(9)", want default or caffe`:                  {Engine: 9},
		`engine is "Engine(-1)", want default or caffe`:                 {Engine: layers.Engine(-1)},
	} {
		if _, err := New(parse(t, tinyInput), opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
