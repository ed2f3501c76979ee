// Results trains a LiuNet of a quarter of the width on MNIST with each of the
// losses that Wang et al. (IJCAI 2018) compare, several times, and prints a
// page with their accuracies on the test images.
//
//	results -gocaffe BIN -data DIR [-iterations N] [-seeds N] [-jobs N] [-only NAME] > PAGE
//
// DIR holds the files of MNIST. The losses, all settings included, are the
// texts below: each takes the place of the last layers of the zoo's net.
package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// A loss is one row of the table.
type loss struct {
	name   string
	layers string // after the features, blob "ip1"
}

// classifier is an inner product whose scores the loss and the accuracy read.
const classifier = `layer {
  name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 10 bias_term: false weight_filler { type: "xavier" } }
}
`

// accuracy is measured on the scores of the blob ip2.
const accuracy = `layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" include { phase: TEST } }
`

const softmax = `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
`

// emSoftmax is the plugin with the given options.
func emSoftmax(options string) string {
	return `layer {
  name: "em" type: "EMSoftmaxLoss" bottom: "ip1" bottom: "label" top: "loss" top: "ip2"
  em_softmax_param { num_output: 10 weight_filler { type: "xavier" } ` + options + ` }
}
` + accuracy
}

// margin is an inner product with an angular margin in training, which is a
// plain one in tests: layers of one name share their weights.
func margin(typ, field, options, test string) string {
	return `layer {
  name: "ip2" type: "` + typ + `" bottom: "ip1" bottom: "label" top: "ip2" top: "lambda" include { phase: TRAIN }
  ` + field + ` { num_output: 10 weight_filler { type: "xavier" } ` + options + ` }
}
layer { name: "lambda" type: "Silence" bottom: "lambda" include { phase: TRAIN } }
layer {
  name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" include { phase: TEST }
  inner_product_param { num_output: 10 bias_term: false ` + test + ` }
}
` + accuracy + softmax
}

var losses = []loss{
	{"Softmax", classifier + accuracy + softmax},
	{"M-Softmax (m 1)", emSoftmax("m: 1")},
	{"E-Softmax (λ 0.1, V 2)", emSoftmax("lambda: 0.1 V: 2")},
	{"EM-Softmax (m 1, λ 0.1, V 2)", emSoftmax("m: 1 lambda: 0.1 V: 2")},
	{"L-Softmax (m 4)", margin("LargeMarginInnerProduct", "largemargin_inner_product_param",
		"type: QUADRUPLE base: 1000 gamma: 0.00025 power: 35", "")},
	{"A-Softmax (m 4)", margin("MarginInnerProduct", "margin_inner_product_param",
		"type: QUADRUPLE base: 1000 gamma: 0.12 power: 1 lambda_min: 5", "normalize: true")},
	{"Center (weight 0.003)", classifier + accuracy + softmax + `layer {
  name: "center" type: "CenterLoss" bottom: "ip1" bottom: "label" top: "center_loss" loss_weight: 0.003 include { phase: TRAIN }
  param { lr_mult: 1 decay_mult: 0 } center_loss_param { num_output: 10 center_filler { type: "xavier" } }
}
`},
	{"Normalized (NormFace)", `layer { name: "norm" type: "Normalize" bottom: "ip1" top: "norm" }
layer {
  name: "ip2" type: "InnerProduct" bottom: "norm" top: "cosine"
  inner_product_param { num_output: 10 bias_term: false normalize: true weight_filler { type: "xavier" } }
}
layer { name: "scale" type: "Scale" bottom: "cosine" top: "ip2" param { decay_mult: 0 } scale_param { axis: 0 num_axes: 0 filler { value: 10 } } }
` + accuracy + softmax},
	{"Hinge (L2, weight 0.2)", classifier + accuracy + `layer {
  name: "loss" type: "HingeLoss" bottom: "ip2" bottom: "label" top: "loss" loss_weight: 0.2 hinge_loss_param { norm: L2 }
}
`},
}

func main() {
	log := func(err error) {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
	binary := flag.String("gocaffe", "bin/gocaffe", "the program")
	data := flag.String("data", "", "folder with the files of MNIST")
	iterations := flag.Int("iterations", 1000, "of each training")
	seeds := flag.Int("seeds", 3, "number of trainings of each loss")
	jobs := flag.Int("jobs", 2, "how many trainings run at a time, of one thread each")
	only := flag.String("only", "", "losses whose name begins so")
	flag.Parse()
	program, err := filepath.Abs(*binary)
	if err != nil {
		log(err)
	}
	dir, err := os.MkdirTemp("", "results")
	if err != nil {
		log(err)
	}
	defer os.RemoveAll(dir)
	r := &runner{program: program, dir: dir, iterations: *iterations}
	mnist, err := filepath.Abs(*data)
	if err != nil {
		log(err)
	}
	if err := r.prepare(mnist); err != nil {
		log(err)
	}
	if err := r.table(*seeds, *jobs, *only); err != nil {
		log(err)
	}
}

type runner struct {
	program, dir string
	iterations   int
	head         string // the net up to the features
}

// run runs gocaffe in the folder and returns its log.
func (r *runner) run(args ...string) (string, error) {
	cmd := exec.Command(r.program, args...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gocaffe %s: %w\n%s", strings.Join(args, " "), err, out[max(0, len(out)-2000):])
	}
	return string(out), nil
}

// prepare makes the databases and takes the net of the zoo.
func (r *runner) prepare(mnist string) error {
	if _, err := r.run("convert", "mnist", mnist, "."); err != nil {
		return err
	}
	if _, err := r.run("zoo", "write", "liunet-digits", "zoo"); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "zoo", "liunet_digits_train_test.prototxt"))
	if err != nil {
		return err
	}
	head, _, ok := strings.Cut(string(text), "layer {\n  name: \"ip2\"")
	if !ok {
		return fmt.Errorf("the net of the zoo has no layer ip2")
	}
	r.head = strings.NewReplacer("zoo/digits_", "mnist_", "batch_size: 64", "batch_size: 128").Replace(head)
	return nil
}

var finalAccuracy = regexp.MustCompile(`Test net output #\d+: accuracy = (\S+)`)

// train trains a net and returns its accuracy in per cent.
func (r *runner) train(l loss, number, seed int) (float64, error) {
	name := fmt.Sprintf("net%d_%d", number, seed)
	solver := fmt.Sprintf(`net: "%s.prototxt"
test_iter: 100 test_interval: %d test_initialization: false
base_lr: 0.05 momentum: 0.9 weight_decay: 0.0005
lr_policy: "multistep" gamma: 0.1 stepvalue: %d stepvalue: %d
max_iter: %[2]d snapshot_prefix: "%[1]s" solver_mode: CPU random_seed: %[5]d
`, name, r.iterations, r.iterations*6/10, r.iterations*85/100, seed)
	for file, text := range map[string]string{name + ".prototxt": r.head + l.layers, name + "_solver.prototxt": solver} {
		if err := os.WriteFile(filepath.Join(r.dir, file), []byte(text), 0o666); err != nil {
			return 0, err
		}
	}
	log, err := r.run("train", "--solver", name+"_solver.prototxt", "--threads", "1")
	if err != nil {
		return 0, err
	}
	m := finalAccuracy.FindAllStringSubmatch(log, -1)
	if m == nil {
		return 0, fmt.Errorf("%s: the log has no accuracy", l.name)
	}
	v, err := strconv.ParseFloat(m[len(m)-1][1], 64)
	return 100 * v, err
}

// table trains everything and prints the table.
func (r *runner) table(seeds, jobs int, only string) error {
	type result struct {
		accuracy float64
		err      error
	}
	results := make([][]result, len(losses))
	slots := make(chan struct{}, jobs)
	var wait sync.WaitGroup
	for i, l := range losses {
		if !strings.HasPrefix(l.name, only) {
			continue
		}
		results[i] = make([]result, seeds)
		for s := range seeds {
			slots <- struct{}{}
			wait.Add(1)
			go func() {
				defer wait.Done()
				res := &results[i][s]
				res.accuracy, res.err = r.train(l, i, s+1)
				fmt.Fprintf(os.Stderr, "%s, seed %d: %.2f %% %v\n", l.name, s+1, res.accuracy, res.err)
				<-slots
			}()
		}
	}
	wait.Wait()
	fmt.Printf(`# Results on MNIST

Accuracy on the 10,000 test images of MNIST after %d iterations of batch 128, for the losses that Wang et al. (IJCAI
2018) compare. The net is LiuNet with a quarter of the channels (16 in each layer, 64 features); the learning rate is
0.05, a tenth of that from iteration %d on and a hundredth from %d on. Each loss was trained %d times, with the random
seeds 1 to %[4]d. `+"`make results-mnist`"+` made this page; the settings of the losses are in tools/results.

`, r.iterations, r.iterations*6/10, r.iterations*85/100, seeds)
	fmt.Printf("| loss | accuracy on the test images, %% (mean ± standard deviation of %d) | each |\n| --- | --- | --- |\n", seeds)
	for i, l := range losses {
		if results[i] == nil {
			continue
		}
		var sum, squares float64
		var each []string
		for _, res := range results[i] {
			if res.err != nil {
				return res.err
			}
			sum += res.accuracy
			squares += res.accuracy * res.accuracy
			each = append(each, fmt.Sprintf("%.2f", res.accuracy))
		}
		n := float64(seeds)
		mean := sum / n
		deviation := math.Sqrt(max(0, squares-n*mean*mean) / max(1, n-1))
		fmt.Printf("| %s | %.2f ± %.2f | %s |\n", l.name, mean, deviation, strings.Join(each, ", "))
	}
	return nil
}
