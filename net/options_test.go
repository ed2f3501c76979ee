package net

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/kernel/bf16"
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

// TestPrecisionNote has products that are large enough to be rounded, and others.
func TestPrecisionNote(t *testing.T) {
	bf16.Use(bf16.Active()) // Go's loops where the processor has no instructions
	defer bf16.Use(nil)
	const text = "layer { name: 'd' type: 'DummyData' top: 'data' dummy_data_param { shape { dim: %d dim: 50 } } }\n"
	layers := ip("a", "data", "a", 48, "") + ip("b", "a", "b", 47, "")
	for items, want := range map[int]string{
		48: "I Products in bf16 by " + kernel.BF16.Variant() + ": in 1 of 2 layers, the others compute in fp32",
		47: "W No product in bf16: all 2 convolutions and inner products compute in fp32",
	} {
		for _, p := range []kernel.Precision{kernel.BF16, kernel.FP32} {
			got := ""
			build(t, fmt.Sprintf(text, items)+layers, Options{Precision: p, Observer: event.Func(func(e any) {
				if note, ok := e.(*event.Note); ok {
					got += string(note.Level) + " " + note.Text
				}
			})})
			if p == kernel.FP32 {
				want = ""
			}
			if got != want {
				t.Errorf("%d items, %v: %q, want %q", items, p, got, want)
			}
		}
	}
}
