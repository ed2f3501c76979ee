package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A run is one training and the test after it.
type run struct {
	data     dataset
	part     string // of the training set: "" for all of it, "fit" to test on the rest of it
	net      string // of the zoo; "" for the LiuNet of the dataset
	width    int    // of a LiuNet's conv0 at full scale, with the other layers in proportion; 0 for the zoo's
	features int    // of a LiuNet, at any scale; 0 for the zoo's in proportion
	dropout  float64
	loss     loss
	setting  setting

	iterations, seed int
	whole            bool // its weights are needed, not only its result
}

// title is what a run is called in messages.
func (r run) title() string {
	words := []string{r.data.name}
	if r.net != "" {
		words = append(words, r.net)
	}
	if r.width > 0 {
		words = append(words, fmt.Sprintf("width %d", r.width))
	}
	if r.features > 0 {
		words = append(words, fmt.Sprintf("%d features", r.features))
	}
	words = append(words, r.loss.title)
	if r.setting.title != "" {
		words = append(words, r.setting.title)
	}
	if r.dropout > 0 {
		words = append(words, fmt.Sprintf("dropout %g", r.dropout))
	}
	if r.part != "" {
		words = append(words, "trial")
	}
	return strings.Join(append(words, fmt.Sprintf("seed %d", r.seed)), ", ")
}

// A result is what is kept of a run.
type result struct {
	Accuracy     float64 // of the test, in percent
	Cosine       float64 `json:",omitempty"` // between the classifiers of EM-Softmax
	TrainSeconds float64 // of the processors, or on the wall with a GPU; 0 if unknown
	TestSeconds  float64
	WeightBytes  int64
}

// files returns the texts of the net and the solver.
func (p *program) files(r run) (net, solver string, err error) {
	name := r.net
	if name == "" {
		name = r.data.zoo
		if r.loss.zoo != "" {
			name += "-" + r.loss.zoo
		}
	}
	texts, err := p.zoo(name)
	if err != nil {
		return "", "", err
	}
	e := edits{text: texts[0]}
	solver = texts[1]
	iterations, err := strconv.Atoi(find(solver, `(?m)^max_iter: (\d+)$`))
	if err != nil {
		return "", "", fmt.Errorf("the zoo's solver of %s has no max_iter", name)
	}
	if r.part != "" {
		e.replace(r.data.files+"_train_lmdb", r.data.files+"_fit_lmdb")
		e.replace(r.data.files+"_"+r.data.test+"_lmdb", r.data.files+"_valid_lmdb")
	}
	// The batch of training comes first.
	e.numbers(`batch_size: (\d+)`, 1, func(float64) float64 { return float64(p.scale.batch) })
	for i := 0; i+1 < len(r.setting.replace); i += 2 {
		e.replace(r.setting.replace[i], r.setting.replace[i+1])
	}
	switch {
	case strings.HasPrefix(name, "liunet"):
		e.liunet(r, p.scale, iterations)
	case name == "alexnet-cifar10":
		e.alexnet(p.scale)
	}
	e.text = strings.ReplaceAll(e.text, `"zoo/`, `"`+filepath.ToSlash(p.data)+"/")
	net = e.text

	e.text = solver
	share := float64(r.iterations) / float64(iterations)
	shorter := func(v float64) float64 { return float64(int(v*share + 0.5)) }
	e.numbers(`(?m)^stepvalue: (\d+)$`, -1, shorter)
	e.numbers(`(?m)^max_iter: (\d+)$`, 1, shorter)
	if strings.HasPrefix(name, "liunet") && p.scale.batch != 256 && r.data.name != "digits" {
		e.numbers(`(?m)^base_lr: (\S+)$`, 1, func(v float64) float64 { return v * float64(p.scale.batch) / 256 })
	}
	e.text = regexp.MustCompile(`(?m)^(net|test_iter|test_interval|test_initialization|display|snapshot|snapshot_prefix|random_seed|solver_mode):.*\n|^#.*\n`).ReplaceAllString(e.text, "")
	e.text = "net: \"net.prototxt\"\n" + e.text + fmt.Sprintf("display: %d\nsnapshot: %d\nsnapshot_prefix: \"w\"\nrandom_seed: %d\n",
		max(1, r.iterations/50), max(1, r.iterations/5), r.seed)
	return net, e.text, e.err
}

// dir returns the folder of a run: the same files have the same folder.
func (p *program) dir(r run) (dir, net, solver string, err error) {
	if net, solver, err = p.files(r); err != nil {
		return "", "", "", fmt.Errorf("%s: %w", r.title(), err)
	}
	hash := sha256.Sum256([]byte(strings.ReplaceAll(net, filepath.ToSlash(p.data), "") + "\x00" + solver))
	name := regexp.MustCompile(`[^a-zA-Z0-9.+]+`).ReplaceAllString(strings.NewReplacer("λ", "lambda", " ", "").Replace(r.title()), "-")
	return filepath.Join(p.out, p.scale.name, name+"-"+hex.EncodeToString(hash[:4])), net, solver, nil
}

const resultFile = "result.json"

// stored returns the result of a run that is there already, or nil. A run whose weights are
// needed is not there without them.
func (p *program) stored(r run) (*result, error) {
	dir, _, _, err := p.dir(r)
	if err != nil {
		return nil, err
	}
	if r.whole {
		if _, err := os.Stat(filepath.Join(dir, r.weights())); err != nil {
			return nil, nil
		}
	}
	return p.known(filepath.Join(dir, resultFile)), nil
}

func readResult(file string) (*result, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	res := new(result)
	if err := json.Unmarshal(b, res); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return res, nil
}

// weights is the file that a training leaves.
func (r run) weights() string { return fmt.Sprintf("w_iter_%d.caffemodel", r.iterations) }

// execute trains and tests a net and stores the result. It goes on from the last snapshot
// of an attempt that was interrupted.
func (p *program) execute(ctx context.Context, r run) error {
	dir, net, solver, err := p.dir(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for name, text := range map[string]string{"net.prototxt": net, "solver.prototxt": solver} {
		if err := writeWhole(filepath.Join(dir, name), []byte(text)); err != nil {
			return err
		}
	}
	var res result
	if err := p.train(ctx, dir, r, &res); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, r.weights()))
	if err != nil {
		return err
	}
	res.WeightBytes = info.Size()
	log, seconds, err := p.gocaffe(ctx, dir, "test", "--model", "net.prototxt", "--weights", r.weights(), "--iterations", "all")
	if err != nil {
		return err
	}
	res.TestSeconds = seconds
	if res.Accuracy, err = strconv.ParseFloat(find(log, `\] accuracy = (\S+)`), 64); err != nil {
		return fmt.Errorf("%s: gocaffe test prints no accuracy", dir)
	}
	res.Accuracy *= 100
	if cosine := find(log, `mean cosine between the \d+ classifiers = (\S+)`); cosine != "" {
		if res.Cosine, err = strconv.ParseFloat(cosine, 64); err != nil {
			return err
		}
	}
	return p.store(filepath.Join(dir, resultFile), res)
}

// train trains a net unless the weights are there, and removes the other snapshots. The time
// of a training that was interrupted is that of its last part, in proportion.
func (p *program) train(ctx context.Context, dir string, r run, res *result) error {
	const timeFile = "seconds.json"
	last := lastState(dir)
	if last < r.iterations {
		args := []string{"train", "--solver", "solver.prototxt"}
		if last > 0 {
			args = append(args, "--snapshot", fmt.Sprintf("w_iter_%d.solverstate", last))
		}
		_, seconds, err := p.gocaffe(ctx, dir, args...)
		if err != nil {
			return err
		}
		if lastState(dir) < r.iterations {
			return fmt.Errorf("%s: the training was stopped from outside; the same command goes on from there", dir)
		}
		b, err := json.Marshal(seconds * float64(r.iterations) / float64(r.iterations-last))
		if err != nil {
			return err
		}
		if err := writeWhole(filepath.Join(dir, timeFile), b); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, timeFile))
	if err == nil {
		err = json.Unmarshal(b, &res.TrainSeconds)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // killed before it was written: the time is unknown
		return fmt.Errorf("%s: %w", filepath.Join(dir, timeFile), err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "w_iter_*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if base := filepath.Base(f); base != r.weights() && base != fmt.Sprintf("w_iter_%d.solverstate", r.iterations) {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastState returns the iteration of the last snapshot in a folder, or 0.
func lastState(dir string) int {
	files, _ := filepath.Glob(filepath.Join(dir, "w_iter_*.solverstate")) // the pattern is right
	last := 0
	for _, f := range files {
		n, err := strconv.Atoi(find(f, `w_iter_(\d+)\.solverstate$`))
		if _, missing := os.Stat(strings.TrimSuffix(f, "solverstate") + "caffemodel"); err == nil && missing == nil {
			last = max(last, n)
		}
	}
	return last
}

// gocaffe runs the program in a folder, adds its log to the file log there, and returns it
// with the seconds that it took: of the processors, which other work on the machine hardly
// changes, or on the wall with a GPU.
func (p *program) gocaffe(ctx context.Context, dir string, args ...string) (log string, seconds float64, err error) {
	args = append(slices.Clone(args), "--threads", strconv.Itoa(p.threads))
	if p.gpu != "" && args[0] != "convert" {
		args = append(args, "--gpu", p.gpu)
	}
	file, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	fmt.Fprintln(file, "gocaffe", strings.Join(args, " "))
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it makes a snapshot
	cmd.WaitDelay = time.Minute
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &tee{file, &out}, &tee{file, &out}
	begin := time.Now()
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", 0, ctx.Err()
	}
	if err != nil {
		b := out.Bytes()
		return "", 0, fmt.Errorf("%s: gocaffe %s: %w\n%s", dir, strings.Join(args, " "), err, b[max(0, len(b)-2000):])
	}
	seconds = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if p.gpu != "" {
		seconds = time.Since(begin).Seconds()
	}
	return out.String(), seconds, file.Close()
}

// A tee writes to a file and keeps what it has written.
type tee struct {
	file *os.File
	kept *bytes.Buffer
}

func (t *tee) Write(b []byte) (int, error) {
	t.kept.Write(b)
	return t.file.Write(b)
}

// writeWhole writes a file under another name first: it is never there in part.
func writeWhole(path string, b []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o666); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
