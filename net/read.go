package net

import (
	"errors"

	"github.com/gocaffe/gocaffe/prototxt"
)

// Read is prototxt.ReadNet, except that a file with errors is also searched
// for layer types that nobody has registered: one reading finds both, the
// unknown fields and the unknown types.
func Read(path string) (*prototxt.Net, error) { return checkRead(prototxt.ReadNet(path)) }

// Parse is Read for text that is at hand; file is its name in messages.
func Parse(file string, text []byte) (*prototxt.Net, error) {
	return checkRead(prototxt.ParseNet(file, text))
}

// checkRead searches a net that was read with an error for unknown layer types.
func checkRead(file *prototxt.Net, err error) (*prototxt.Net, error) {
	var list prototxt.ErrorList
	if file == nil || !errors.As(err, &list) {
		return file, err
	}
	c := &checker{file: file}
	for _, layer := range file.Param.GetLayer() {
		if layer.Type != nil {
			c.layerType(layer)
		}
	}
	c.reportTypes()
	list = append(list, c.errs...)
	list.Sort()
	return nil, list
}
