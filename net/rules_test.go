package net

import (
	"slices"
	"testing"
)

// The cases are those of FilterNetTest in Caffe's test_net.cpp.
func TestFilter(t *testing.T) {
	tests := []struct {
		rules string // of the layer "ip" between the layers "data" and "loss"
		state string
		keep  bool
		log   string // why a rule was not met
	}{
		{"", "", true, ""},
		{"", "TRAIN 5 x", true, ""},
		{"include { phase: TRAIN }", "", false, "The NetState phase (1) differed from the phase (0) specified by a rule in layer ip"},
		{"include { phase: TRAIN }", "TRAIN", true, ""},
		{"include { phase: TEST }", "TRAIN", false, "The NetState phase (0) differed from the phase (1) specified by a rule in layer ip"},
		{"exclude { phase: TEST }", "", false, ""},
		{"exclude { stage: 'mystage' }", "", true, "The NetState did not contain stage 'mystage' specified by a rule in layer ip"},
		{"exclude { stage: 'mystage' }", "TEST 0 mystage", false, ""},
		{"include { stage: 'mystage' }", "TEST 0 mystage", true, ""},
		{"include { stage: 'mystage' }", "TEST 0 other", false, "The NetState did not contain stage 'mystage' specified by a rule in layer ip"},
		{"include { stage: 'a' stage: 'b' }", "TEST 0 a", false, "The NetState did not contain stage 'b' specified by a rule in layer ip"},
		{"include { stage: 'a' stage: 'b' }", "TEST 0 b,c,a", true, ""},
		{"include { stage: 'a' } include { stage: 'b' }", "TEST 0 b", true, "The NetState did not contain stage 'a' specified by a rule in layer ip"},
		{"include { not_stage: 'a' }", "TEST 0 b", true, ""},
		{"include { not_stage: 'a' }", "TEST 0 b,a", false, "The NetState contained a not_stage 'a' specified by a rule in layer ip"},
		{"exclude { not_stage: 'a' }", "TEST 0 b", false, ""},
		{"include { min_level: 3 }", "TEST 2", false, "The NetState level (2) is above the min_level (3) specified by a rule in layer ip"},
		{"include { min_level: 3 }", "TEST 3", true, ""},
		{"include { min_level: 3 }", "", false, "The NetState level (0) is above the min_level (3) specified by a rule in layer ip"},
		{"include { max_level: -3 }", "", false, "The NetState level (0) is above the max_level (-3) specified by a rule in layer ip"},
		{"include { max_level: 3 }", "TEST 3", true, ""},
		{"include { min_level: 2 max_level: 4 phase: TRAIN }", "TRAIN 4", true, ""},
		{"include { min_level: 2 max_level: 4 phase: TRAIN }", "TRAIN 5", false, "The NetState level (5) is above the max_level (4) specified by a rule in layer ip"},
		{"include { min_level: 2 phase: TRAIN } include { phase: TEST }", "TEST 0", true, "The NetState phase (1) differed from the phase (0) specified by a rule in layer ip"},
		{"exclude { min_level: 2 phase: TRAIN } exclude { phase: TEST }", "TEST 0", false, "The NetState phase (1) differed from the phase (0) specified by a rule in layer ip"},
		{"exclude { min_level: 2 phase: TRAIN }", "TRAIN 1", true, "The NetState level (1) is above the min_level (2) specified by a rule in layer ip"},
	}
	for _, test := range tests {
		t.Run(test.rules+"/"+test.state, func(t *testing.T) {
			file := parse(t, "layer { name: 'data' type: 'Data' } layer { name: 'ip' type: 'InnerProduct' "+test.rules+
				" } layer { name: 'loss' type: 'SoftmaxWithLoss' }")
			var r recorder
			n := &Net{state: state(t, test.state), observer: r.observer()}
			want := "data loss"
			if test.keep {
				want = "data ip loss"
			}
			if got := names(n.filter(file.Param).Layer); got != want {
				t.Errorf("layers are %q, want %q", got, want)
			}
			got := r.from("net.cpp:296", "net.cpp:306", "net.cpp:316", "net.cpp:332", "net.cpp:347")
			if test.log == "" && len(got) > 0 || test.log != "" && !slices.Equal(got, []string{test.log}) {
				t.Errorf("log is %q, want %q", got, test.log)
			}
			if len(got) != len(r.lines) {
				t.Errorf("log has lines from other places: %q", r.lines)
			}
		})
	}
}

// As Caffe's TestFilterLeNetTrainTest: two layers of one name for the phases.
func TestFilterPhases(t *testing.T) {
	const text = `
layer { name: 'mnist' type: 'Data' include { phase: TRAIN } data_param { batch_size: 64 } }
layer { name: 'mnist' type: 'Data' include { phase: TEST } data_param { batch_size: 100 } }
layer { name: 'accuracy' type: 'Accuracy' include { phase: TEST } }
layer { name: 'loss' type: 'SoftmaxWithLoss' }`
	tests := []struct {
		state, want string
		batch       uint32
	}{
		{"TRAIN", "mnist loss", 64},
		{"TEST", "mnist accuracy loss", 100},
		{"", "mnist accuracy loss", 100},
	}
	for _, test := range tests {
		n := &Net{state: state(t, test.state)}
		got := n.filter(parse(t, text).Param).Layer
		if names(got) != test.want || got[0].GetDataParam().GetBatchSize() != test.batch {
			t.Errorf("state %q: got %q with batch size %d, want %q with %d",
				test.state, names(got), got[0].GetDataParam().GetBatchSize(), test.want, test.batch)
		}
	}
}
