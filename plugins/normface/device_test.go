package normface_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestGoldenDevice runs the golden cases on a GPU.
func TestGoldenDevice(t *testing.T) {
	d := cudatest.Device(t)
	layertest.GoldenOn(t, reference.GoldenFS(t, "layers"), d)
	layertest.GoldenOn(t, reference.ForksFS(t, "layers-normface"), d)
}

// TestDevice compares the passes on a GPU with those on the host.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	check := func(typ string, tops int, options string, bottom ...*blob.Blob) {
		t.Helper()
		layertest.CheckDevice(t, d, 2e-5, layer(typ, len(bottom), tops, options), bottom...)
	}
	for _, shape := range [][]int{{9, 70}, {3, 5, 4, 7}} {
		for _, options := range []string{"", `normalize_param { bp_norm: true }`, `normalize_param { normalize_type: "L1" bp_norm: true }`} {
			for tops := 1; tops <= 2; tops++ {
				check("Normalize", tops, options, gaussian(shape...))
			}
		}
		for _, options := range []string{"", `flip_param { flip_height: true }`, `flip_param { flip_width: false flip_height: true }`} {
			check("Flip", 1, options, gaussian(shape...))
		}
	}
	const filler = ` num_output: 20 weight_filler { type: "gaussian" std: 1 } `
	x, class := gaussian(19, 37), layertest.Labels(7, 20, 19)
	check("InnerDistance", 1, `inner_distance_param {`+filler+`}`, x)
	check("InnerDistance", 1, `inner_distance_param {`+filler+`normalize: true }`, x)
	check("InnerDistance", 1, `inner_distance_param {`+filler+`update_center_only: true }`, x, class)
	check("InnerDistance", 1, `inner_distance_param { update_center_only: true }`, x, layertest.Gaussian(2, 20, 37), class)
	check("InnerDistance", 1, "", x, layertest.Gaussian(2, 20, 37))
	const l1 = ` distance_type: "L1" `
	check("InnerDistance", 1, `inner_distance_param {`+filler+l1+`normalize: true }`, x)
	check("InnerDistance", 1, `inner_distance_param {`+filler+l1+`update_center_only: true }`, x, class)
	check("InnerDistance", 1, `inner_distance_param {`+l1+`}`, x, layertest.Gaussian(2, 20, 37))
	for _, options := range []string{
		`positive_weight: 0.7 negative_weight: 1.3`, `positive_weight: 0.7 bias_fix: true for_ip: true rescale_test: true`,
		`positive_weight: 1.4 power_on_positive: true`, `positive_weight_base: 0.5 gamma: 0.1 positive_weight_max: 0.45`,
	} {
		for _, phase := range []string{"TRAIN", "TEST"} {
			for tops := 1; tops <= 2; tops++ {
				check("LabelSpecificRescale", tops, `label_specific_rescale_param { `+options+` } phase: `+phase, gaussian(19, 20), class)
			}
		}
	}
	for _, options := range []string{`bias: -0.35`, `bias_base: -1 bias_gamma: 0.1 bias_min: -3 bias_max: 0`} {
		for _, phase := range []string{"TRAIN", "TEST"} {
			check("LabelSpecificAdd", 2, `label_specific_add_param { `+options+` } phase: `+phase, gaussian(19, 20), class)
		}
	}
	for _, k := range []int{20, 300} {
		class := layertest.Labels(7, k, 19)
		for _, options := range []string{
			"", `positive_margin: 0.3 positive_weight: 0.7 negative_weight: 1.3 exp_negative_weight: true`,
			`max_negative_only: true`, `max_positive_only: true positive_margin: -5`, `max_negative_only: true max_positive_only: true`,
			`positive_first: true positive_upper_bound: 0.4`, `normalize_negative: 0.5`, `add_intra_mae: true`,
		} {
			for tops := 1; tops <= 2; tops++ {
				check("GeneralContrastiveLoss", tops, `general_contrastive_loss_param { `+options+` }`, gaussian(19, k), class)
			}
			check("GeneralContrastiveLoss", 1, `general_contrastive_loss_param { `+options+` }`, gaussian(19, k), class, layertest.Gaussian(3, 19, k))
		}
		for _, options := range []string{
			"", `margin: -1 add_center_loss: false`, `positive_weight: 0.7 negative_weight: 1.3 hardest_only: true`,
			`positive_first: true positive_upper_bound: 0.4 add_center_loss: false`,
		} {
			check("GeneralTripletLoss", 2, `general_triplet_loss_param { `+options+` }`, gaussian(19, k), class)
			check("GeneralTripletLoss", 1, `general_triplet_loss_param { `+options+` }`, gaussian(19, k), class, layertest.Gaussian(3, 19))
		}
	}
}
