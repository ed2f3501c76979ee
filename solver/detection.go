package solver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/internal/meanap"
	"github.com/gocaffe/gocaffe/net"
)

// The values of eval_type.
const (
	classification = "classification"
	detection      = "detection"
)

// checkEvaluation returns the error in the fields that say how tests evaluate a net.
func (s *Solver) checkEvaluation() error {
	switch typ, version := s.param.GetEvalType(), s.param.GetApVersion(); {
	case typ != classification && typ != detection:
		return s.errorf("eval_type", "eval_type is %q, want %s or %s", typ, classification, detection)
	case !slices.Contains(meanap.Versions, version):
		return s.errorf("ap_version", "ap_version is %q, want %s", version, strings.Join(meanap.Versions, ", "))
	}
	return nil
}

// addDetections adds the rows of detections that are the outputs of a batch.
func (s *Solver) addDetections(n *net.Net) error {
	outputs := n.Outputs()
	for len(s.detections) < len(outputs) {
		s.detections = append(s.detections, meanap.Sum{})
	}
	for i, out := range outputs {
		if b := out.Blob; !meanap.IsRows(b.Shape()) {
			return fmt.Errorf("output %q of the test net has shape %v, and eval_type is detection: want rows of %d, as DetectionEvaluate makes them",
				out.Name, b.Shape(), meanap.RowLength)
		}
		if err := s.detections[i].Add(out.Blob.Data()); err != nil {
			return fmt.Errorf("output %q of the test net: %w", out.Name, err)
		}
	}
	return nil
}

// detectionResult returns the mean average precision of each output of a test net, and
// the average precision of each class.
func (s *Solver) detectionResult(n *net.Net) (outputs []Output, classes []ClassPrecision, err error) {
	for i, out := range n.Outputs() {
		mean, each, err := s.detections[i].Result(s.param.GetApVersion())
		if err != nil {
			return nil, nil, fmt.Errorf("output %q of the test net: %w", out.Name, err)
		}
		outputs = append(outputs, Output{Name: out.Name, Value: mean})
		for _, c := range each {
			classes = append(classes, ClassPrecision{Output: i, Label: c.Label, Precision: c.Precision, Found: c.Found})
		}
	}
	return outputs, classes, nil
}
