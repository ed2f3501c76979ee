package normface

import "github.com/gocaffe/gocaffe/layers"

var _ layers.DeviceChecker = (*labelSpecific)(nil)

// DeviceMode returns Recordable, unless the amount differs from pass to pass.
func (l *labelSpecific) DeviceMode() layers.DeviceMode {
	if l.anneal {
		return layers.OnDevice
	}
	return layers.Recordable
}

// CheckDevice returns an error if a label of the last pass was out of range.
func (l *labelSpecific) CheckDevice() error { return l.labels.CheckDevice() }
