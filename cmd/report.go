package gocaffecmd

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
)

// reportFlags are the flags of test that add to Caffe's output.
type reportFlags struct {
	topK                []int
	perClass, confusion bool
	confusionFile       string
	scores              string
}

func (f *reportFlags) wanted() bool {
	return len(f.topK) > 0 || f.perClass || f.confusion || f.confusionFile != "" || f.scores != ""
}

// A report collects how well nets classify, each alone and as an ensemble, whose
// probabilities are the mean of theirs.
type report struct {
	flags    *reportFlags
	pairs    []pair
	nets     []*tally
	ensemble *tally // nil for one net

	scores, sum []float64 // of one place
}

func newReport(f *reportFlags, pairs []pair) (*report, error) {
	if len(f.topK) == 0 {
		f.topK = []int{1}
	}
	for _, k := range f.topK {
		if k < 1 {
			return nil, fmt.Errorf("--top-k is %d, want 1 or more", k)
		}
	}
	return &report{flags: f, pairs: pairs}, nil
}

// add counts a batch that all nets have processed.
func (r *report) add(batch int, nets []*testNet) error {
	first := nets[0].classifier
	classes, _ := first.classes()
	if r.nets == nil {
		if err := r.start(classes); err != nil {
			return err
		}
	}
	for i, t := range nets {
		if err := r.same(batch, i, first, t.classifier); err != nil {
			return err
		}
	}
	for place := range first.labels {
		class, err := first.class(place, classes)
		if err != nil {
			return r.errorf(batch, 0, "%w", err)
		}
		if class < 0 {
			continue
		}
		clear(r.sum)
		for i, t := range nets {
			if err := t.classifier.place(place, r.scores); err != nil {
				return r.errorf(batch, i, "%w", err)
			}
			higher, taken := rank(r.scores, class)
			softmax(r.scores)
			r.nets[i].add(class, higher, taken, r.scores[class])
			for k, p := range r.scores {
				r.sum[k] += p
			}
		}
		if r.ensemble != nil {
			higher, taken := rank(r.sum, class)
			r.ensemble.add(class, higher, taken, r.sum[class]/float64(len(nets)))
		}
	}
	return nil
}

func (r *report) start(classes int) error {
	if k := slices.Max(r.flags.topK); k > classes {
		return fmt.Errorf("--top-k is %d, but the nets have %d classes", k, classes)
	}
	for range r.pairs {
		r.nets = append(r.nets, newTally(r.flags.topK, classes))
	}
	if len(r.pairs) > 1 {
		r.ensemble = newTally(r.flags.topK, classes)
	}
	r.scores, r.sum = make([]float64, classes), make([]float64, classes)
	return nil
}

// same checks that net i has the same labels as the first net.
func (r *report) same(batch, i int, first, c *classifier) error {
	wantClasses, _ := first.classes()
	classes, _ := c.classes()
	switch {
	case classes != wantClasses:
		return r.errorf(batch, i, "it has %d classes, the first net has %d", classes, wantClasses)
	case len(c.labels) != len(first.labels):
		return r.errorf(batch, i, "it has %d labels, the first net has %d; the batch sizes must be equal", len(c.labels), len(first.labels))
	case len(c.scores) != len(c.labels)*classes:
		return r.errorf(batch, i, "it has %d scores of %d classes for %d labels", len(c.scores), classes, len(c.labels))
	}
	for place, v := range c.labels {
		if v != first.labels[place] {
			return r.errorf(batch, i, "label %d is %v, but %v in the first net; all nets must read the same data in the same order",
				place, v, first.labels[place])
		}
	}
	return nil
}

func (r *report) errorf(batch, i int, format string, args ...any) error {
	p := r.pairs[i]
	return fmt.Errorf("net %d (%s, %s), batch %d: %w", i+1, p.model, p.weights, batch, fmt.Errorf(format, args...))
}

// rank returns how many other scores are at least as high as that of the true
// class, as Caffe's accuracy_layer.cpp counts, and the predicted class. A wrong
// class wins a tie with the true one, so that both agree.
func rank(scores []float64, class int) (higher, taken int) {
	taken = class
	for k, v := range scores {
		if k == class {
			continue
		}
		if v >= scores[class] {
			higher++
		}
		if v > scores[taken] || v == scores[taken] && taken == class {
			taken = k
		}
	}
	return higher, taken
}

// A tally counts the predictions of a classifier.
type tally struct {
	topK  []int
	hits  []int // one for each of topK
	items int
	loss  float64 // sum of -log p of the true class
	as    [][]int // confusion matrix: items by true class and predicted class
}

func newTally(topK []int, classes int) *tally {
	t := &tally{topK: topK, hits: make([]int, len(topK)), as: make([][]int, classes)}
	for k := range t.as {
		t.as[k] = make([]int, classes)
	}
	return t
}

// add counts a place of a class: higher other scores are at least as high, taken is
// the predicted class and p the probability of the true one.
func (t *tally) add(class, higher, taken int, p float64) {
	t.items++
	for i, k := range t.topK {
		if higher < k {
			t.hits[i]++
		}
	}
	t.as[class][taken]++
	t.loss -= math.Log(max(p, 0x1p-126)) // bounded as in Caffe's softmax_loss_layer.cpp
}

// ofClass returns how many items a class has, and how many of them were predicted.
func (t *tally) ofClass(k int) (items, right int) {
	for _, n := range t.as[k] {
		items += n
	}
	return items, t.as[k][k]
}

// share formats right/items, or "-" if there are no items.
func share(right, items int) string {
	if items == 0 {
		return "-"
	}
	return strconv.FormatFloat(float64(right)/float64(items), 'f', 6, 64)
}

// write prints the report and writes the file of the confusion matrix.
func (r *report) write(w io.Writer) error {
	all := r.all()
	fmt.Fprintf(w, "%d items\n\n", all.items)
	r.writeNets(w)
	if r.flags.perClass {
		fmt.Fprintln(w)
		r.writeClasses(w)
	}
	if r.flags.confusion {
		fmt.Fprintln(w)
		all.writeConfusion(w)
	}
	if r.flags.confusionFile == "" {
		return nil
	}
	return atomicfile.WriteBytes(r.flags.confusionFile, all.confusionCSV())
}

// all returns the tally of the ensemble, or of the net if there is only one.
func (r *report) all() *tally {
	if r.ensemble != nil {
		return r.ensemble
	}
	return r.nets[0]
}

// writeNets prints a line for each net and for the ensemble.
func (r *report) writeNets(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprint(w, "net")
	for _, k := range r.flags.topK {
		fmt.Fprintf(w, "\ttop-%d", k)
	}
	fmt.Fprintln(w, "\tcross-entropy\tmodel\tweights")
	line := func(name string, t *tally, files string) {
		fmt.Fprint(w, name)
		for _, hits := range t.hits {
			fmt.Fprintf(w, "\t%s", share(hits, t.items))
		}
		loss := "-"
		if t.items > 0 {
			loss = strconv.FormatFloat(t.loss/float64(t.items), 'g', 6, 64)
		}
		fmt.Fprintf(w, "\t%s%s\n", loss, files)
	}
	for i, t := range r.nets {
		line(strconv.Itoa(i+1), t, "\t"+r.pairs[i].model+"\t"+r.pairs[i].weights)
	}
	if r.ensemble != nil {
		line("ensemble", r.ensemble, "")
	}
	w.Flush()
}

// writeClasses prints the accuracy of each class.
func (r *report) writeClasses(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	all := r.all()
	fmt.Fprint(w, "class\titems\tright\taccuracy")
	if r.ensemble != nil {
		for i := range r.nets {
			fmt.Fprintf(w, "\tnet %d", i+1)
		}
	}
	fmt.Fprintln(w)
	for k := range all.as {
		items, right := all.ofClass(k)
		fmt.Fprintf(w, "%d\t%d\t%d\t%s", k, items, right, share(right, items))
		if r.ensemble != nil {
			for _, t := range r.nets {
				_, right := t.ofClass(k)
				fmt.Fprintf(w, "\t%s", share(right, items))
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

// writeConfusion prints the confusion matrix: a line for each true class and a
// column for each predicted class.
func (t *tally) writeConfusion(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "class, taken for:\t")
	for k := range t.as {
		fmt.Fprintf(w, "%d\t", k)
	}
	fmt.Fprintln(w)
	for k, row := range t.as {
		fmt.Fprintf(w, "%d\t", k)
		for _, n := range row {
			fmt.Fprintf(w, "%d\t", n)
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

// confusionCSV returns the confusion matrix as CSV.
func (t *tally) confusionCSV() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	header := []string{"class"}
	for k := range t.as {
		header = append(header, strconv.Itoa(k))
	}
	w.Write(header)
	for k, row := range t.as {
		line := []string{strconv.Itoa(k)}
		for _, n := range row {
			line = append(line, strconv.Itoa(n))
		}
		w.Write(line)
	}
	w.Flush()
	return b.Bytes()
}
