package gocaffecmd

import (
	"fmt"
	"math"
	"strconv"
)

// predictions is the file of test --predictions: a row for each record.
type predictions struct {
	path, format string
	file         *rowFile // nil before the first batch
	items        int

	scores, sum []float64 // of one record
	mean        []float32 // sum, to the digits that scores have
}

// A prediction is a row in JSON.
type prediction struct {
	Key           string    `json:"key"`
	Label         int       `json:"label"`
	Prediction    int       `json:"prediction"`
	Probability   float32   `json:"probability"`
	Probabilities []float32 `json:"probabilities"`
}

func newPredictions(path string) (*predictions, error) {
	format, err := rowFormat("--predictions", path)
	if err != nil {
		return nil, err
	}
	return &predictions{path: path, format: format}, nil
}

// begin creates the file when the number of classes is known.
func (p *predictions) begin(classes int) (err error) {
	p.scores, p.sum, p.mean = make([]float64, classes), make([]float64, classes), make([]float32, classes)
	header := []string{"key", "label", "prediction", "probability"}
	for k := range classes {
		header = append(header, fmt.Sprintf("p%d", k))
	}
	p.file, err = createRows(p.path, p.format, header)
	return err
}

// add writes the records of a batch that all nets have processed. The probabilities
// are the mean of those of the nets.
func (p *predictions) add(pass int64, nets []*testNet) error {
	first := nets[0].classifier
	classes, inner := first.classes()
	if p.file == nil {
		if err := p.begin(classes); err != nil {
			return err
		}
	}
	if items := len(first.scores) / (classes * inner); len(first.labels) != items || inner != 1 {
		return fmt.Errorf("--predictions: the net has %d labels and %d scores for %d records, want one label and %d scores for each",
			len(first.labels), len(first.scores), items, classes)
	}
	for i := range first.labels {
		if err := p.probabilities(i, nets); err != nil {
			return err
		}
		row := prediction{Probabilities: p.mean}
		class, err := first.class(i, classes)
		if err != nil {
			return err
		}
		if row.Label = int(first.labels[i]); class < 0 { // ignored
			class = 0
		}
		_, row.Prediction = rank(p.sum, class)
		row.Probability = p.mean[row.Prediction]
		if row.Key, err = nets[0].net.RecordName(pass, i); err != nil {
			return err
		}
		if row.Key == "" {
			row.Key = strconv.Itoa(p.items)
		}
		p.items++
		cells := []string{row.Key, strconv.Itoa(row.Label), strconv.Itoa(row.Prediction), sixDigits(float64(row.Probability))}
		for _, v := range p.mean {
			cells = append(cells, sixDigits(float64(v)))
		}
		if err := p.file.add(cells, row); err != nil {
			return err
		}
	}
	return nil
}

// probabilities sets p.sum to the mean probabilities of record i of the batch.
func (p *predictions) probabilities(i int, nets []*testNet) error {
	clear(p.sum)
	for _, t := range nets {
		if err := t.classifier.place(i, p.scores); err != nil {
			return err
		}
		softmax(p.scores)
		for k, v := range p.scores {
			p.sum[k] += v / float64(len(nets))
		}
	}
	for k, v := range p.sum {
		if math.IsNaN(v) {
			return fmt.Errorf("the probability of class %d is NaN, from an infinite score", k)
		}
		p.mean[k] = float32(v)
	}
	return nil
}

// commit completes the file.
func (p *predictions) commit() error { return p.file.commit() }

// abort removes the file if it is not complete.
func (p *predictions) abort() {
	if p.file != nil {
		p.file.file.Abort()
	}
}
