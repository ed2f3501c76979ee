package layers_test

import (
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

func TestLossNorm(t *testing.T) {
	const outer, inner, valid = 4, 3, 7
	for _, c := range []struct {
		name  string
		unset caffepb.LossParameter_NormalizationMode
		param *caffepb.LossParameter
		want  float32
	}{
		{"unset", caffepb.LossParameter_VALID, nil, valid},
		{"unset, other layer", caffepb.LossParameter_BATCH_SIZE, &caffepb.LossParameter{}, outer},
		{"full", caffepb.LossParameter_VALID, &caffepb.LossParameter{Normalization: caffepb.LossParameter_FULL.Enum()}, outer * inner},
		{"none", caffepb.LossParameter_VALID, &caffepb.LossParameter{Normalization: caffepb.LossParameter_NONE.Enum()}, 1},
		{"valid", caffepb.LossParameter_BATCH_SIZE, &caffepb.LossParameter{Normalization: caffepb.LossParameter_VALID.Enum()}, valid},
		{"old, true", caffepb.LossParameter_BATCH_SIZE, &caffepb.LossParameter{Normalize: proto.Bool(true)}, valid},
		{"old, false", caffepb.LossParameter_VALID, &caffepb.LossParameter{Normalize: proto.Bool(false)}, outer},
		{"both", caffepb.LossParameter_VALID, &caffepb.LossParameter{Normalize: proto.Bool(false), Normalization: caffepb.LossParameter_FULL.Enum()}, outer * inner},
	} {
		spec := layers.NewSpec(&caffepb.LayerParameter{LossParam: c.param}, new(layers.Env), nil)
		norm, err := layers.NewLossNorm(spec, c.unset)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := norm.Normalizer(outer, inner, valid); got != c.want {
			t.Errorf("%s: normalizer %g, want %g", c.name, got, c.want)
		}
		if got := norm.Normalizer(0, 0, 0); got != 1 {
			t.Errorf("%s: normalizer of nothing is %g, want 1", c.name, got)
		}
	}

	mode := caffepb.LossParameter_NormalizationMode(9)
	spec := layers.NewSpec(&caffepb.LayerParameter{LossParam: &caffepb.LossParameter{Normalization: &mode}}, new(layers.Env), nil)
	if _, err := layers.NewLossNorm(spec, caffepb.LossParameter_VALID); err == nil || !strings.Contains(err.Error(), "got normalization 9") {
		t.Errorf("mode 9: error %v", err)
	}
}
