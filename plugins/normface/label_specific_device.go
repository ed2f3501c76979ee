package normface

import "github.com/gocaffe/gocaffe/layers"

var _ layers.DeviceChecker = (*labelSpecific)(nil)

// DeviceMode returns Recordable, unless the amount is another in each pass.
func (l *labelSpecific) DeviceMode() layers.DeviceMode {
	if l.anneal {
		return layers.OnDevice
	}
	return layers.Recordable
}

// CheckDevice returns an error if a label was out of range.
func (l *labelSpecific) CheckDevice() error { return l.labels.CheckDevice() }
