package zoo

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A loss takes the place of the softmax loss of a LiuNet. The nets compare the losses of
// Wang et al., "Ensemble Soft-Margin Softmax Loss for Image Classification" (IJCAI 2018).
type loss struct {
	name, doc string // at the end of the net's name; about the net
	rest      string // of the layers, with K, GAMMA and ACCURACY to be replaced

	dialect string // of the net, where a type has several meanings

	// Where the loss becomes harder with each iteration, gamma is the factor of the
	// iteration for a training of one iteration: the schedule is as long as the training.
	gamma float64
}

// scores are plain scores of the classes.
const scores = `layer {
  name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: K bias_term: false weight_filler { type: "xavier" } }
}
ACCURACY`

const softmax = `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
`

// ensemble is the layer of the paper with its options.
func ensemble(options string) string {
	return `layer {
  name: "em" type: "EMSoftmaxLoss" bottom: "ip1" bottom: "label" top: "loss" top: "ip2"
  em_softmax_param { num_output: K ` + options + ` weight_filler { type: "xavier" } }
}
layer { name: "unread" type: "Silence" bottom: "ip2" include { phase: TRAIN } }
ACCURACY`
}

// margin is an inner product with an angular margin in training and a plain one in tests:
// layers of one name share their weights.
func margin(typ, field, options, test string) string {
	return `layer {
  name: "ip2" type: "` + typ + `" bottom: "ip1" bottom: "label" top: "ip2" top: "lambda" include { phase: TRAIN }
  ` + field + ` { num_output: K ` + options + ` weight_filler { type: "xavier" } }
}
layer { name: "lambda" type: "Silence" bottom: "lambda" include { phase: TRAIN } }
layer {
  name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" include { phase: TEST }
  inner_product_param { num_output: K bias_term: false` + test + ` }
}
ACCURACY` + softmax
}

// losses are settings for training from the zoo's solvers. Those of L-Softmax and A-Softmax
// are their authors', with schedules as long as the training.
var losses = []loss{
	{name: "em", doc: "EM-Softmax, m 1, lambda 0.1, V 2", rest: ensemble("m: 1 lambda: 0.1 V: 2")},
	{name: "m", doc: "M-Softmax, m 1", rest: ensemble("m: 1")},
	{name: "e", doc: "E-Softmax, lambda 0.1, V 2", rest: ensemble("lambda: 0.1 V: 2")},
	{name: "lsoftmax", doc: "L-Softmax, m 4", gamma: 0.5,
		rest: margin("LargeMarginInnerProduct", "largemargin_inner_product_param", "type: QUADRUPLE base: 1000 gamma: GAMMA power: 35", "")},
	{name: "asoftmax", doc: "A-Softmax, m 4", gamma: 3360,
		rest: margin("MarginInnerProduct", "margin_inner_product_param", "type: QUADRUPLE base: 1000 gamma: GAMMA power: 1 lambda_min: 5", " normalize: true")},
	{name: "center", doc: "softmax and center loss", rest: scores + softmax + `layer {
  name: "center" type: "CenterLoss" bottom: "ip1" bottom: "label" top: "center_loss" loss_weight: 0.003 include { phase: TRAIN }
  param { lr_mult: 1 decay_mult: 0 } center_loss_param { num_output: K center_filler { type: "xavier" } }
}
`},
	{name: "normface", doc: "normalized features and classes (NormFace), scale 10", dialect: "normface", rest: `layer { name: "norm" type: "Normalize" bottom: "ip1" top: "norm" }
layer {
  name: "ip2" type: "InnerProduct" bottom: "norm" top: "cosine"
  inner_product_param { num_output: K bias_term: false normalize: true weight_filler { type: "xavier" } }
}
layer { name: "scale" type: "Scale" bottom: "cosine" top: "ip2" param { decay_mult: 0 } scale_param { axis: 0 num_axes: 0 filler { value: 10 } } }
ACCURACY` + softmax},
	{name: "hinge", doc: "squared hinge loss, weight 0.2", rest: scores + `layer {
  name: "loss" type: "HingeLoss" bottom: "ip2" bottom: "label" top: "loss" loss_weight: 0.2 hinge_loss_param { norm: L2 }
}
`},
}

// A Loss is a loss that takes the place of the softmax loss of a LiuNet.
type Loss struct {
	Name, Doc string
}

// Losses returns the losses that there are for each LiuNet: a net of the zoo is named
// after its base and its loss, such as "liunet-mnist-em".
func Losses() []Loss {
	var all []Loss
	for _, l := range losses {
		all = append(all, Loss{l.name, l.doc})
	}
	return all
}

// withLosses returns the entries, each LiuNet followed by those with other losses.
func withLosses(base []Entry) []Entry {
	var all []Entry
	for _, e := range base {
		all = append(all, e)
		if !strings.HasPrefix(e.Name, "liunet-") {
			continue
		}
		for i := range losses {
			l := &losses[i]
			variant := e
			variant.Base, variant.loss = e.Name, l
			variant.Name += "-" + l.name
			variant.Doc = strings.FieldsFunc(e.Doc, func(r rune) bool { return r == ';' || r == ':' })[0] + ": " + l.doc
			all = append(all, variant)
		}
	}
	return all
}

var (
	classifier   = regexp.MustCompile(`(?s)layer \{\n  name: "ip2" .*?num_output: (\d+).*?\n\}\n`)
	softmaxLayer = regexp.MustCompile(`layer \{ name: "loss" type: "SoftmaxWithLoss".*\n`)
	iterations   = regexp.MustCompile(`(?m)^max_iter: (\d+)$`)
)

// replaceIn puts the loss into the text of a net, whose training has the given number of
// iterations.
func (l *loss) replaceIn(net string, maxIter int) (string, error) {
	from, to := classifier.FindStringSubmatchIndex(net), softmaxLayer.FindStringIndex(net)
	if from == nil || to == nil || from[1] > to[0] {
		return "", fmt.Errorf("the net has no classifier ip2 with a softmax loss")
	}
	gamma := strconv.FormatFloat(l.gamma/float64(maxIter), 'g', 4, 64)
	rest := strings.NewReplacer(
		"num_output: K", "num_output: "+net[from[2]:from[3]],
		"GAMMA", gamma,
		"ACCURACY", net[from[1]:to[0]],
	).Replace(l.rest)
	comment := ""
	if l.dialect != "" {
		comment = "# gocaffe: dialect " + l.dialect + "\n"
	}
	return comment + net[:from[0]] + rest + net[to[1]:], nil
}
