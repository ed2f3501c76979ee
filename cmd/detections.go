package gocaffecmd

import (
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/internal/meanap"
	"github.com/gocaffe/gocaffe/net"
)

// evaluated returns, for each output of a net, whether it is the top of a layer
// DetectionEvaluate: rows of detections, whose means say nothing.
func evaluated(n *net.Net) []bool {
	list := make([]bool, len(n.Outputs()))
	for _, l := range n.Layers() {
		if l.Type != "DetectionEvaluate" {
			continue
		}
		for i, o := range n.Outputs() {
			list[i] = list[i] || slices.Contains(l.Tops, o.Blob)
		}
	}
	return list
}

// precisions returns the lines with the mean average precision of an output: that of
// each class, and the mean.
func precisions(name string, s *meanap.Sum, version string) ([]string, error) {
	mean, classes, err := s.Result(version)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var lines []string
	for _, c := range classes {
		lines = append(lines, fmt.Sprintf("class%d: %s", c.Label, cfmt.G(float64(c.Precision))))
	}
	return append(lines, name+" = "+cfmt.G(float64(mean))), nil
}
