package net

import (
	"fmt"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// complete checks the options of how a net computes, and sets those that follow from others.
func (o *Options) complete() error {
	if o.Device != nil && o.Precision == kernel.BF16 {
		o.Precision = kernel.FP32 // of the few layers that the CPU computes
	}
	if _, err := layers.ParseEngine(o.Engine.String()); err != nil {
		return err
	}
	if err := o.Precision.Supported(); err != nil {
		return fmt.Errorf("precision %v: %w", o.Precision, err)
	}
	if o.Inference {
		o.ForwardOnly = true
		if o.Memory == nil {
			o.Memory = new(Memory)
		}
		if o.PackedWeights == 0 {
			o.PackedWeights = DefaultPackedWeights
		}
	}
	if !o.Inference || o.Device != nil {
		o.PackedWeights = 0
	}
	return nil
}
