package meanap_test

import (
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/meanap"
)

// TestResult compares the three versions with values computed by hand. Class 1 has four
// objects, and its detections, by score, are right, wrong, right, right: the precisions
// are 1, 1/2, 2/3, 3/4 at the recalls 1/4, 1/4, 1/2, 3/4.
func TestResult(t *testing.T) {
	batches := [][]float32{
		{
			-1, 1, 3, -1, -1, -1, 2, 1, -1, -1, // objects
			0, 1, 0.9, 1, 0, 0, 1, 0.6, 1, 0, 0, 1, 0.95, 0, 0, // the last one is difficult
		},
		{
			-1, 1, 1, -1, -1, -1, 2, 0, -1, -1,
			0, 1, 0.8, 0, 1, 0, 1, 0.5, 1, 0,
		},
	}
	for version, want := range map[string]float64{
		// the largest precision is 1 up to recall 1/4, then 3/4 up to 3/4, and 0 beyond
		"11point":     (3*1. + 5*3./4) / 11,
		"101point":    (26*1. + 50*3./4) / 101,
		"MaxIntegral": 1./4 + 1./2*3/4,
		"Integral":    1./4*1 + 1./4*2/3 + 1./4*3/4,
	} {
		var s meanap.Sum
		for _, rows := range batches {
			if err := s.Add(rows); err != nil {
				t.Fatal(err)
			}
		}
		mean, classes, err := s.Result(version)
		if err != nil {
			t.Fatal(err)
		}
		if len(classes) != 2 || classes[0].Label != 1 || !classes[0].Found || classes[1] != (meanap.Class{Label: 2}) {
			t.Errorf("%s: classes %+v", version, classes)
		}
		if got := float64(classes[0].Precision); math.Abs(got-want) > 1e-6 || math.Abs(float64(mean)-want/2) > 1e-6 {
			t.Errorf("%s: average precision %g, mean %g, want %g and %g", version, got, mean, want, want/2)
		}
	}
}

func TestErrors(t *testing.T) {
	var s meanap.Sum
	for want, rows := range map[string][]float32{"7 elements": make([]float32, 7), "1 true and 1 false": {0, 1, 0.5, 1, 1}} {
		if err := s.Add(rows); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, _, err := s.Result("12point"); err == nil || !strings.Contains(err.Error(), "12point") {
		t.Errorf("error %v", err)
	}
	if _, _, err := new(meanap.Sum).Result("Integral"); err == nil {
		t.Error("no error about no rows")
	}
}

func TestIsRows(t *testing.T) {
	for _, test := range []struct {
		shape []int
		want  bool
	}{
		{[]int{1, 1, 7, 5}, true}, {[]int{7, 5, 1, 1}, true}, {[]int{5}, true}, {[]int{7, 5, 1, 2}, false}, {[]int{7, 4, 1, 1}, false}, {nil, false},
	} {
		if got := meanap.IsRows(test.shape); got != test.want {
			t.Errorf("%v: %v, want %v", test.shape, got, test.want)
		}
	}
}
