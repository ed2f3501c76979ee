package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/gonum/stat"
)

// writePage writes the page with all tables of the scale whose runs are there.
func (p *program) writePage() error {
	var body bytes.Buffer
	for _, t := range tables {
		if !t.at(p.scale) {
			continue
		}
		rows, err := p.measure(t)
		if err != nil {
			return err
		}
		if rows == nil {
			continue
		}
		text, err := t.write(p, t, rows)
		if err != nil {
			return err
		}
		fmt.Fprintf(&body, "\n## %s\n\n%s", t.title, text)
	}
	if body.Len() == 0 {
		return fmt.Errorf("no table of scale %s is complete", p.scale.name)
	}
	hours, runs, processors := p.kept.spent()
	var page bytes.Buffer
	fmt.Fprintf(&page, `# Results

Experiments of Wang et al., "Ensemble Soft-Margin Softmax Loss for Image Classification" (IJCAI 2018), repeated by
%s at scale %s: %s. The schedule of the learning rate is the paper's,
as long as the training, and the rate is in proportion to the batch. %d trainings took %.1f hours of %s: %s.

The settings of a loss are chosen on a tenth of the training set, which is kept apart: five settings are tried, with
the same seed, for %g times the iterations of a training, and the best is taken; of equal ones, the first. Softmax has none. The
test set is read once, after the last iteration of a training on the whole training set. Accuracies are in percent, mean
± standard deviation of trainings with different seeds; trainings of different losses with the same seed start from the
same weights before the last layer, and see the same images in the same order. "Difference" is to softmax with
the same seed, with its 95 %% interval (Student's distribution): where it contains 0, the two cannot be told apart.
%s`,
		"`make results SCALE="+p.scale.name+"`", p.scale.name, p.scale.doc, runs, hours, p.clock(), processors, p.scale.trial, p.jpegNote())
	page.Write(body.Bytes())
	return writeWhole(p.page, wrap(page.Bytes()))
}

// clock says what times are of.
func (p *program) clock() string {
	if p.gpu != "" {
		return "time on the wall"
	}
	return "processor time"
}

// jpegNote says that the images of CIFAR-10 are copies, if they are.
func (p *program) jpegNote() string {
	if _, err := os.Stat(filepath.Join(p.sources["cifar10"], "cifar10-images.tar.gz")); p.sources["cifar10"] == "" || err != nil {
		return ""
	}
	return "\nThe images of CIFAR-10 were JPEG copies, which lose a little: accuracies are not those of the original files.\n"
}

// processor names the machine's.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	name := find(string(b), `model name\s*: (.*)`)
	if err != nil || name == "" {
		return "a processor without a name"
	}
	return name
}

// wrap fills the paragraphs and items of lists, with lines no longer than the project
// allows. Tables, headings and images stay as they are.
func wrap(text []byte) []byte {
	const width = 120
	var out strings.Builder
	column := 0 // of the line that is being filled; 0 before one
	indent := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		item := strings.HasPrefix(line, "- ")
		if column > 0 && (item || line == "" || strings.ContainsAny(line[:1], "|!#")) {
			out.WriteByte('\n')
			column = 0
		}
		if line == "" || strings.ContainsAny(line[:1], "|!#") {
			out.WriteString(line + "\n")
			continue
		}
		if column == 0 {
			indent = ""
			if item {
				indent = "  "
			}
		}
		for word := range strings.FieldsSeq(line) {
			n := len([]rune(word))
			switch {
			case column == 0:
				column = n
			case column+1+n > width:
				out.WriteString("\n" + indent)
				column = len(indent) + n
			default:
				out.WriteByte(' ')
				column += 1 + n
			}
			out.WriteString(word)
		}
	}
	if column > 0 {
		out.WriteByte('\n')
	}
	return []byte(out.String())
}

// reference returns the accuracies of the row that differences are to.
func reference(rows []measured, label string) []float64 {
	for _, r := range rows {
		if r.label == label {
			return r.accuracies()
		}
	}
	return nil
}

// signed is a difference with its interval.
func signed(mean, half float64) string {
	if math.IsInf(half, 1) {
		return fmt.Sprintf("%+.2f", mean)
	}
	return fmt.Sprintf("%+.2f ± %.2f", mean, half)
}

func writeLosses(p *program, t table, rows []measured) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "%d iterations of batch %d.\n\n", p.scale.iterations[t.data.tuned], p.scale.batch)
	out.WriteString("| loss | setting | accuracy | difference | | each | the paper |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	plain := reference(rows, softmax.title)
	for _, r := range rows {
		diff, verdictText := "", ""
		if r.label != softmax.title {
			mean, half := difference(r.accuracies(), plain)
			diff, verdictText = signed(mean, half), verdict(mean, half)
		}
		paper := ""
		if v := lossNamed(r.label).paper[t.data.name]; v > 0 {
			paper = fmt.Sprintf("%.2f", v)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s |\n",
			r.label, r.nets[0].setting.title, spread(r.accuracies()), diff, verdictText, values(r.accuracies()), paper)
	}
	if t.data.name != t.data.tuned {
		fmt.Fprintf(&out, "\nThe settings are those of %s.\n", datasetNamed(t.data.tuned).title)
		return out.String(), nil
	}
	out.WriteString("\nThe trials, by the accuracy on the part that was kept apart:\n\n")
	for _, l := range t.tuned {
		if len(l.candidates) == 0 {
			continue
		}
		var trials []string
		for _, r := range p.trials(t.data, l) {
			res, err := p.stored(r)
			if res == nil || err != nil {
				return "", err
			}
			trials = append(trials, fmt.Sprintf("%s: %.2f", r.setting.title, res.Accuracy))
		}
		fmt.Fprintf(&out, "- %s: %s\n", l.title, strings.Join(trials, "; "))
	}
	return out.String(), nil
}

func writePlain(_ *program, _ table, rows []measured) (string, error) {
	var out strings.Builder
	out.WriteString("| net | setting | accuracy | difference | | each |\n| --- | --- | --- | --- | --- | --- |\n")
	plain := rows[0].accuracies()
	for i, r := range rows {
		diff, verdictText := "", ""
		if i > 0 {
			mean, half := difference(r.accuracies(), plain)
			diff, verdictText = signed(mean, half), verdict(mean, half)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s |\n",
			r.label, r.nets[0].setting.title, spread(r.accuracies()), diff, verdictText, values(r.accuracies()))
	}
	return out.String(), nil
}

func writeLengths(p *program, t table, rows []measured) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "Batches of %d; the other tables have %d iterations.\n\n", p.scale.batch, p.scale.iterations[t.data.tuned])
	out.WriteString("| iterations | softmax | EM-Softmax | difference | |\n| --- | --- | --- | --- | --- |\n")
	for i := 0; i+1 < len(rows); i += 2 {
		mean, half := difference(rows[i+1].accuracies(), rows[i].accuracies())
		fmt.Fprintf(&out, "| %g | %s | %s | %s | %s |\n",
			rows[i].x, spread(rows[i].accuracies()), spread(rows[i+1].accuracies()), signed(mean, half), verdict(mean, half))
	}
	return out.String(), nil
}

// paperAverages are the sizes in MB and the accuracies of table 3, CIFAR-10.
var paperAverages = map[string]string{
	"LiuNet": "15.1, 90.95", "Full": "0.35, 83.09", "AlexNet": "113.9, 88.76", "LiuNet + Full + AlexNet": "129.35, 90.97",
	"LiuNet(48)": "9.3, 90.63", "LiuNet(64)": "15.1, 90.95", "LiuNet(96)": "30.9, 91.16", "LiuNet(48 + 64 + 96)": "55.4, 91.99",
	"EM-Softmax": "15.2, 93.31",
}

func writeAveraging(p *program, _ table, rows []measured) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "LiuNet(n) has n channels in conv0 and the others in proportion; its widths and those of AlexNet are divided by %d. Full is Caffe's cifar10-full with its own widths. AlexNet and Full have their own solvers, with as many iterations. \"+\" is the average of the nets' probabilities.\n\n", p.scale.divide)
	out.WriteString("| net | size, MB | accuracy | each | the paper: size, accuracy |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s | %.2f | %s | %s | %s |\n", r.label, float64(r.results[0].WeightBytes)/1e6,
			spread(r.accuracies()), values(r.accuracies()), paperAverages[r.label])
	}
	return out.String(), nil
}

func writeTimes(p *program, _ table, rows []measured) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "Times of a training and of a test on all images, on average over the seeds: %s. The time of several nets is\nthe sum of theirs.\n\n", p.clock())
	out.WriteString("| net | training, s | test, s | accuracy |\n| --- | --- | --- | --- |\n")
	for _, r := range rows {
		var train, test []float64
		for _, res := range r.results {
			test = append(test, res.TestSeconds)
			if res.TrainSeconds > 0 {
				train = append(train, res.TrainSeconds)
			}
		}
		seconds := "unknown"
		if len(train) > 0 {
			seconds = fmt.Sprintf("%.0f", stat.Mean(train, nil))
		}
		fmt.Fprintf(&out, "| %s | %s | %.1f | %s |\n", r.label, seconds, stat.Mean(test, nil), spread(r.accuracies()))
	}
	return out.String(), nil
}

func writeFigure(name string) func(*program, table, []measured) (string, error) {
	return func(p *program, t table, rows []measured) (string, error) {
		image := p.scale.name + "-" + t.name + ".svg"
		plain := row{nets: []run{p.base(t.data, softmax, setting{})}}
		results, err := p.seeds(t.data, plain)
		if err != nil {
			return "", err
		}
		if err := p.drawCurve(image, name, rows, measured{plain, results}); err != nil {
			return "", err
		}
		var out strings.Builder
		fmt.Fprintf(&out, "![%s](images/%s)\n\n| %s | accuracy | mean cosine between the classifiers | each |\n| --- | --- | --- | --- |\n", t.title, image, name)
		for _, r := range rows {
			cosine := 0.0
			for _, res := range r.results {
				cosine += res.Cosine / float64(len(r.results))
			}
			alike := "" // of one classifier
			if cosine != 0 {
				alike = fmt.Sprintf("%.3f", cosine)
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", r.label, spread(r.accuracies()), alike, values(r.accuracies()))
		}
		return out.String(), nil
	}
}

func writeFeatures(p *program, t table, rows []measured) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "The features of the test images, two for each, where the net is trained with two features before the classifier, without BatchNorm, Scale and ReLU between. Each colour is a digit. The plots are of seed %d.\n\n", drawnSeed)
	for _, r := range rows {
		one := r.seeded(drawnSeed)[0]
		image := t.image(p.scale, r.row)
		if err := p.drawFeatures(image, one); err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%s, accuracy %s:\n\n![Features of %s](images/%s)\n\n", r.label, spread(r.accuracies()), r.label, image)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}
