package datalayer

import (
	"testing"

	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m, exceptions()...) }

func exceptions() []layertest.Exception {
	list := []layertest.Exception{
		{Type: "Data", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		{Type: "DummyData", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		{Type: "ImageData", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		{Type: "Input", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		{Type: "MemoryData", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		{Type: "HDF5Data", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		{Type: "HDF5Output", Check: layertest.Gradient, Reason: "it has no tops: the gradient is 0"},
		{Type: "HDF5Output", Check: layertest.Device, Reason: "it writes a file on the host"},
		{Type: "WindowData", Check: layertest.Gradient, Reason: "it has no bottom and no weights"},
		{Type: "Input", Check: layertest.Reference, Reason: "its passes do nothing: the program fills the tops"},
		{Type: "Input", Check: layertest.Device, Reason: "its passes do nothing: the program fills the tops"},
		{Type: "DummyData", Check: layertest.Device, Reason: "it fills its tops on the host"},
		{Type: "MemoryData", Check: layertest.Device, Reason: "it fills its tops on the host"},
	}
	if _, err := hdf5.LibraryVersion(); err != nil {
		list = append(list,
			layertest.Exception{Type: "HDF5Data", Check: layertest.Reference, Reason: "no libhdf5"},
			layertest.Exception{Type: "HDF5Data", Check: layertest.Device, Reason: "no libhdf5"},
			layertest.Exception{Type: "HDF5Output", Check: layertest.Reference, Reason: "no libhdf5"},
		)
	}
	return list
}
