package nvcaffe_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }
