package rcnn

import (
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"go.yaml.in/yaml/v3"
)

// cfgVariable names a file with the configuration of all layers.
const cfgVariable = "GOCAFFE_RCNN_CFG"

// params are the options of py-faster-rcnn's layers: param_str, in YAML.
type params struct {
	FeatStride    float64   `yaml:"feat_stride"`
	Scales        []float64 `yaml:"scales"`
	Ratios        []float64 `yaml:"ratios"`
	AllowedBorder float64   `yaml:"allowed_border"`
	NumClasses    int       `yaml:"num_classes"`

	Source string    `yaml:"source"` // of RoIDataLayer
	Cfg    string    `yaml:"cfg"`    // a file with TRAIN and TEST
	Train  yaml.Node `yaml:"TRAIN"`
	Test   yaml.Node `yaml:"TEST"`
}

// A config is what py-faster-rcnn has in cfg.TRAIN or cfg.TEST, and cfg.PIXEL_MEANS.
type config struct {
	Scales       []int   `yaml:"SCALES"`
	MaxSize      int     `yaml:"MAX_SIZE"`
	ImsPerBatch  int     `yaml:"IMS_PER_BATCH"` // 0: 1 with an RPN, 2 without
	BatchSize    int     `yaml:"BATCH_SIZE"`    // -1: all
	FgFraction   float64 `yaml:"FG_FRACTION"`
	FgThresh     float64 `yaml:"FG_THRESH"`
	BgThreshHi   float64 `yaml:"BG_THRESH_HI"`
	BgThreshLo   float64 `yaml:"BG_THRESH_LO"`
	UseFlipped   bool    `yaml:"USE_FLIPPED"`
	BboxThresh   float64 `yaml:"BBOX_THRESH"`
	UseDifficult bool    `yaml:"USE_DIFFICULT"` // ours
	Agnostic     bool    `yaml:"AGNOSTIC"`

	BboxInsideWeights []float64 `yaml:"BBOX_INSIDE_WEIGHTS"`
	NormalizeTargets  bool      `yaml:"BBOX_NORMALIZE_TARGETS"`
	NormalizeMeans    []float64 `yaml:"BBOX_NORMALIZE_MEANS"`
	NormalizeStds     []float64 `yaml:"BBOX_NORMALIZE_STDS"`

	RPNPositiveOverlap   float64   `yaml:"RPN_POSITIVE_OVERLAP"`
	RPNNegativeOverlap   float64   `yaml:"RPN_NEGATIVE_OVERLAP"`
	RPNClobberPositives  bool      `yaml:"RPN_CLOBBER_POSITIVES"`
	RPNFgFraction        float64   `yaml:"RPN_FG_FRACTION"`
	RPNBatchSize         int       `yaml:"RPN_BATCHSIZE"`
	RPNNMSThresh         float64   `yaml:"RPN_NMS_THRESH"`
	RPNPreNMSTopN        int       `yaml:"RPN_PRE_NMS_TOP_N"`
	RPNPostNMSTopN       int       `yaml:"RPN_POST_NMS_TOP_N"`
	RPNMinSize           float64   `yaml:"RPN_MIN_SIZE"`
	RPNBboxInsideWeights []float64 `yaml:"RPN_BBOX_INSIDE_WEIGHTS"`
	RPNPositiveWeight    float64   `yaml:"RPN_POSITIVE_WEIGHT"`
	RPNNormalizeTargets  bool      `yaml:"RPN_NORMALIZE_TARGETS"`
	RPNNormalizeMeans    []float64 `yaml:"RPN_NORMALIZE_MEANS"`
	RPNNormalizeStds     []float64 `yaml:"RPN_NORMALIZE_STDS"`

	Source string `yaml:"SOURCE"` // ours: of RoIDataLayer

	pixelMeans              []float64
	bboxTargets, rpnTargets normalization
}

// defaults returns py-faster-rcnn's values, where they differ those of its experiments
// (faster_rcnn_end2end.yml) and not of config.py.
func defaults(phase caffepb.Phase) config {
	c := config{
		Scales: []int{600}, MaxSize: 1000, BatchSize: 128, FgFraction: 0.25, FgThresh: 0.5, BgThreshHi: 0.5,
		UseFlipped: true, BboxThresh: 0.5,
		BboxInsideWeights: []float64{1, 1, 1, 1}, NormalizeTargets: true,
		NormalizeMeans: []float64{0, 0, 0, 0}, NormalizeStds: []float64{0.1, 0.1, 0.2, 0.2},
		RPNPositiveOverlap: 0.7, RPNNegativeOverlap: 0.3, RPNFgFraction: 0.5, RPNBatchSize: 256,
		RPNNMSThresh: 0.7, RPNPreNMSTopN: 12000, RPNPostNMSTopN: 2000, RPNMinSize: 16,
		RPNBboxInsideWeights: []float64{1, 1, 1, 1}, RPNPositiveWeight: -1,
		RPNNormalizeMeans: []float64{0, 0, 0, 0}, RPNNormalizeStds: []float64{0.1, 0.1, 0.2, 0.2},
		pixelMeans: []float64{102.9801, 115.9465, 122.7717},
	}
	if phase == caffepb.Phase_TEST {
		c.RPNPreNMSTopN, c.RPNPostNMSTopN = 6000, 300
	}
	return c
}

// unread are keys of cfg.TRAIN and cfg.TEST that concern py-faster-rcnn's programs and
// not the layers, or that the net itself answers.
var unread = []string{
	"ASPECT_GROUPING", "BBOX_NORMALIZE_TARGETS_PRECOMPUTED", "BBOX_REG", "FORMAT", "HAS_RPN", "NMS", "PROPOSAL_METHOD",
	"SNAPSHOT_INFIX", "SNAPSHOT_ITERS", "SVM", "USE_PREFETCH",
}

// readParams reads param_str, with the keys that the class knows besides those of the
// configuration, and the configuration: that of TRAIN, which all classes but ProposalLayer
// use in every phase, or that of TEST.
func readParams(s *layers.Spec, phase caffepb.Phase, known ...string) (*params, *config, error) {
	const field = "python_param.param_str"
	p := &params{Scales: defaultScales, Ratios: defaultRatios}
	c := defaults(phase)
	if name := os.Getenv(cfgVariable); name != "" {
		if err := c.readFile(name, phase); err != nil {
			return nil, nil, s.Errorf("", "%s: %w", cfgVariable, err)
		}
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(s.Param.GetPythonParam().GetParamStr()), &root); err != nil {
		return nil, nil, s.Errorf(field, "param_str is not YAML: %w", err)
	}
	err := decodeKeys(&root, p, func(key string) bool {
		return slices.Contains(known, key) || slices.Contains([]string{"cfg", "TRAIN", "TEST"}, key)
	})
	if err == nil && p.Cfg != "" {
		err = c.readFile(p.Cfg, phase)
	}
	if err == nil {
		err = c.merge(&p.Train, &p.Test, phase)
	}
	if err == nil {
		err = c.check()
	}
	if err == nil {
		err = p.check(known)
	}
	if err != nil {
		return nil, nil, s.Errorf(field, "param_str: %w", err)
	}
	c.bboxTargets = normalization{[4]float64(c.NormalizeMeans), [4]float64(c.NormalizeStds)}
	c.rpnTargets = normalization{[4]float64(c.RPNNormalizeMeans), [4]float64(c.RPNNormalizeStds)}
	return p, &c, nil
}

// check returns an error about an option that is missing or makes no sense.
func (p *params) check(known []string) error {
	need := func(key string) bool { return slices.Contains(known, key) }
	positive := func(list []float64) bool {
		return len(list) > 0 && len(list) <= 1000 && !slices.ContainsFunc(list, func(v float64) bool { return !(v > 0 && v <= 1e6) })
	}
	switch {
	case need("feat_stride") && !(p.FeatStride > 0 && p.FeatStride <= 1e6):
		return fmt.Errorf("feat_stride is %g, want the pixels of the image from one place of the map to the next", p.FeatStride)
	case !positive(p.Scales):
		return fmt.Errorf("scales is %v, want positive numbers", p.Scales)
	case !positive(p.Ratios):
		return fmt.Errorf("ratios is %v, want positive numbers", p.Ratios)
	case !(math.Abs(p.AllowedBorder) <= 1e9):
		return fmt.Errorf("allowed_border is %g, want a number of pixels", p.AllowedBorder)
	case need("num_classes") && (p.NumClasses < 2 || p.NumClasses > 1<<20):
		return fmt.Errorf("num_classes is %d, want the number of classes, 2 or more with the background", p.NumClasses)
	}
	return nil
}

// readFile reads a file of py-faster-rcnn's form (experiments/cfgs/*.yml).
func (c *config) readFile(name string, phase caffepb.Phase) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var file struct {
		Train yaml.Node     `yaml:"TRAIN"`
		Test  yaml.Node     `yaml:"TEST"`
		Means [][][]float64 `yaml:"PIXEL_MEANS"`
		Stds  [][][]float64 `yaml:"PIXEL_STDS"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := c.merge(&file.Train, &file.Test, phase); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, v := range flatten(file.Stds) {
		if v != 1 {
			return fmt.Errorf("%s: PIXEL_STDS has %g, want 1: a division of the images is not implemented", name, v)
		}
	}
	if means := flatten(file.Means); means != nil {
		if len(means) != 3 {
			return fmt.Errorf("%s: PIXEL_MEANS has %d numbers, want 3", name, len(means))
		}
		c.pixelMeans = means
	}
	return nil
}

func flatten(lists [][][]float64) (all []float64) {
	for _, list := range lists {
		all = append(all, slices.Concat(list...)...)
	}
	return all
}

// merge reads what TRAIN or TEST says, each of which may be left out.
func (c *config) merge(train, test *yaml.Node, phase caffepb.Phase) error {
	name, node := "TRAIN", train
	if phase == caffepb.Phase_TEST {
		name, node = "TEST", test
	}
	if node.Kind == 0 {
		return nil
	}
	if err := decodeKeys(node, c, nil); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// decodeKeys decodes a mapping into a struct, and fails if there is a key that the
// struct does not have, or that allowed forbids.
func decodeKeys(node *yaml.Node, into any, allowed func(string) bool) error {
	if node.Kind == yaml.DocumentNode {
		node = node.Content[0]
	}
	if node.Kind == 0 || node.Tag == "!!null" {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("got %q, want a mapping, {'key': value}", node.Value)
	}
	keys := make(map[string]bool)
	for f := range reflect.TypeOf(into).Elem().Fields() {
		if tag := f.Tag.Get("yaml"); tag != "" && (allowed == nil || allowed(tag)) {
			keys[tag] = true
		}
	}
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i].Value
		if !keys[key] && (allowed != nil || !slices.Contains(unread, key)) {
			names := slices.Sorted(maps.Keys(keys))
			if near := prototxt.Nearest(key, names); near != "" {
				return fmt.Errorf("line %d: unknown key %q, did you mean %q?", node.Content[i].Line, key, near)
			}
			return fmt.Errorf("line %d: unknown key %q, want %s", node.Content[i].Line, key, strings.Join(names, ", "))
		}
	}
	return node.Decode(into)
}

// check returns an error about a number that makes no sense.
func (c *config) check() error {
	for key, list := range map[string][]float64{
		"BBOX_INSIDE_WEIGHTS": c.BboxInsideWeights, "BBOX_NORMALIZE_MEANS": c.NormalizeMeans, "BBOX_NORMALIZE_STDS": c.NormalizeStds,
		"RPN_BBOX_INSIDE_WEIGHTS": c.RPNBboxInsideWeights, "RPN_NORMALIZE_MEANS": c.RPNNormalizeMeans, "RPN_NORMALIZE_STDS": c.RPNNormalizeStds,
	} {
		if len(list) != 4 {
			return fmt.Errorf("%s has %d numbers, want 4: of x, y, width and height", key, len(list))
		}
		if strings.HasSuffix(key, "_STDS") && slices.Contains(list, 0) {
			return fmt.Errorf("%s has a 0, by which targets would be divided", key)
		}
	}
	for key, v := range map[string]float64{
		"FG_FRACTION": c.FgFraction, "FG_THRESH": c.FgThresh, "BBOX_THRESH": c.BboxThresh, "RPN_FG_FRACTION": c.RPNFgFraction,
		"RPN_NMS_THRESH": c.RPNNMSThresh, "RPN_POSITIVE_OVERLAP": c.RPNPositiveOverlap, "RPN_NEGATIVE_OVERLAP": c.RPNNegativeOverlap,
	} {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%s is %g, want 0 to 1", key, v)
		}
	}
	if w := c.RPNPositiveWeight; !(w < 1) || w == 0 {
		return fmt.Errorf("RPN_POSITIVE_WEIGHT is %g, want a number between 0 and 1, or a negative one for equal weights", w)
	}
	for key, v := range map[string]int{"MAX_SIZE": c.MaxSize, "RPN_BATCHSIZE": c.RPNBatchSize} {
		if v < 1 || v > math.MaxInt16 {
			return fmt.Errorf("%s is %d, want 1 to %d", key, v, math.MaxInt16)
		}
	}
	if len(c.Scales) == 0 || slices.Min(c.Scales) < 1 || slices.Max(c.Scales) > math.MaxInt16 {
		return fmt.Errorf("SCALES is %v, want numbers of pixels, 1 to %d", c.Scales, math.MaxInt16)
	}
	if c.BatchSize != -1 && (c.BatchSize < 1 || c.BatchSize > 1<<20) {
		return fmt.Errorf("BATCH_SIZE is %d, want 1 or more, or -1 for all ROIs", c.BatchSize)
	}
	if c.ImsPerBatch < 0 || c.ImsPerBatch > 1<<16 {
		return fmt.Errorf("IMS_PER_BATCH is %d, want 1 to %d", c.ImsPerBatch, 1<<16)
	}
	if !(c.RPNMinSize >= 0) {
		return fmt.Errorf("RPN_MIN_SIZE is %g, want 0 or more", c.RPNMinSize)
	}
	return nil
}
