package chart

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffelog"
)

// A Training is what is known about one training.
type Training struct {
	Name string
	Log  *caffelog.Log
}

// Options say what Course shows.
type Options struct {
	Y       []string // quantities, a panel each; none: loss, and accuracy if there is any
	Seconds bool     // over time, not over iterations
	Log     bool     // losses and learning rates on logarithmic scales
}

// The quantities that Course knows besides the names of outputs.
const (
	loss     = "loss"
	accuracy = "accuracy"
	rate     = "lr"
)

// Course shows the course of trainings. A quantity is
//
//	loss      of training, as displayed, and of each test net: its outputs, weighted and added
//	accuracy  the outputs that are no losses and within 0 and 1
//	lr        the learning rate
//	NAME      an output of this name
//
// or one of these with train- or test- before it. It is an error if no training has a
// quantity.
func Course(trainings []Training, o Options) (*Chart, error) {
	quantities := o.Y
	if len(quantities) == 0 {
		quantities = []string{loss, accuracy}
	}
	c := &Chart{X: "iteration"}
	for _, q := range quantities {
		panel := Panel{Y: q, Log: o.Log && q != accuracy}
		if q == rate {
			panel.Y = "learning rate"
		}
		colors := make(map[string]int)
		for _, t := range trainings {
			for _, curve := range t.curves(q, o.Seconds) {
				if len(trainings) > 1 {
					curve.Name = t.Name + ": " + curve.Name
				}
				// Training and testing have the same color if there are several trainings.
				key := curve.Name
				if len(trainings) > 1 {
					key = strings.NewReplacer(": train ", ": ", ": test ", ": ").Replace(key)
				}
				if _, ok := colors[key]; !ok {
					colors[key] = len(colors)
				}
				curve.Color = colors[key]
				curve.Name += curve.brokenAt
				panel.Curves = append(panel.Curves, curve.Curve)
			}
		}
		if len(panel.Curves) == 0 {
			if len(o.Y) == 0 {
				continue
			}
			return nil, fmt.Errorf("no %s in the logs, want one of %s", q, strings.Join(known(trainings), ", "))
		}
		c.Panels = append(c.Panels, panel)
	}
	if len(c.Panels) == 0 {
		return nil, fmt.Errorf("no losses in the logs, want one of %s", strings.Join(known(trainings), ", "))
	}
	if o.Seconds {
		c.scaleTime()
	}
	return c, nil
}

// known returns the quantities that the trainings have.
func known(trainings []Training) []string {
	names := []string{loss, accuracy, rate}
	for _, t := range trainings {
		for _, rows := range append([][]caffelog.Row{t.Log.Train}, t.Log.Test...) {
			for _, r := range rows {
				for _, out := range r.Outputs {
					if !slices.Contains(names, out.Name) {
						names = append(names, out.Name)
					}
				}
			}
		}
	}
	return names
}

// A courseCurve is a curve and where it stops being finite, in words.
type courseCurve struct {
	Curve
	brokenAt string
}

// curves returns the curves of a quantity in one training.
func (t *Training) curves(quantity string, seconds bool) []courseCurve {
	var all []courseCurve
	add := func(phase string, rows []caffelog.Row, dashed bool) {
		name := quantity
		if strings.HasPrefix(quantity, "train-") || strings.HasPrefix(quantity, "test-") {
			var of string
			of, name, _ = strings.Cut(quantity, "-")
			if !strings.HasPrefix(phase, of) {
				return
			}
		}
		for _, s := range seriesOf(rows, name, dashed) {
			curve := courseCurve{Curve: Curve{Name: phase + " " + s.name, Dashed: dashed}}
			if name == rate {
				curve.Name = "learning rate"
			}
			for i, v := range s.values {
				r := rows[s.rows[i]]
				x := float64(r.Iteration)
				if seconds {
					x = r.Seconds
				}
				curve.Points = append(curve.Points, Point{x, v})
				if (math.IsNaN(v) || math.IsInf(v, 0)) && curve.brokenAt == "" {
					curve.brokenAt = fmt.Sprintf(" (%g from iteration %d)", v, r.Iteration)
				}
			}
			all = append(all, curve)
		}
	}
	add("train", t.Log.Train, false)
	for i, rows := range t.Log.Test {
		phase := "test"
		if i > 0 {
			phase = fmt.Sprintf("test %d", i)
		}
		if quantity != rate {
			add(phase, rows, true)
		}
	}
	return all
}

// A series is a number of each of some rows.
type series struct {
	name   string
	rows   []int
	values []float64
}

func (s *series) add(row int, v float64) {
	s.rows = append(s.rows, row)
	s.values = append(s.values, v)
}

// seriesOf returns the series of a quantity in rows, which are of training or of a
// test net.
func seriesOf(rows []caffelog.Row, quantity string, test bool) []series {
	var one series
	switch quantity {
	case loss:
		one.name = loss
		for i, r := range rows {
			if v, ok := lossOf(&r, test); ok {
				one.add(i, v)
			}
		}
	case rate:
		for i, r := range rows {
			if !math.IsNaN(r.LearningRate) {
				one.add(i, r.LearningRate)
			}
		}
	default:
		return outputsOf(rows, quantity)
	}
	if len(one.rows) == 0 {
		return nil
	}
	return []series{one}
}

// lossOf returns the loss of a row, ok if it has one.
func lossOf(r *caffelog.Row, test bool) (v float64, ok bool) {
	if !math.IsNaN(r.Loss) {
		return r.Loss, true
	}
	for _, out := range r.Outputs {
		if isLoss(out) {
			v, ok = v+out.Loss, true
		}
	}
	return v, ok || !test
}

// isLoss reports whether an output is a loss, which may be NaN.
func isLoss(o caffelog.Output) bool { return !math.IsNaN(o.Loss) || math.IsNaN(o.Value) }

// outputsOf returns the series of the outputs of a name, or of all that look like
// accuracies.
func outputsOf(rows []caffelog.Row, name string) []series {
	var all []series
	index := make(map[string]int)
	for i, r := range rows {
		for _, out := range r.Outputs {
			if out.Name != name && (name != accuracy || isLoss(out)) {
				continue
			}
			k, ok := index[out.Name]
			if !ok {
				k = len(all)
				index[out.Name] = k
				all = append(all, series{name: out.Name})
			}
			all[k].add(i, out.Value)
		}
	}
	if name != accuracy {
		return all
	}
	return slices.DeleteFunc(all, func(s series) bool {
		return s.name != accuracy && slices.ContainsFunc(s.values, func(v float64) bool { return !(v >= 0 && v <= 1) })
	})
}

// scaleTime gives the horizontal axis, which is in seconds, a fitting unit.
func (c *Chart) scaleTime() {
	longest := 0.0
	for _, panel := range c.Panels {
		for _, curve := range panel.Curves {
			for _, q := range curve.Points {
				longest = max(longest, q.X)
			}
		}
	}
	unit := 1.0
	switch c.X = "seconds"; {
	case longest > 4*3600:
		unit, c.X = 3600, "hours"
	case longest > 600:
		unit, c.X = 60, "minutes"
	}
	for _, panel := range c.Panels {
		for _, curve := range panel.Curves {
			for i := range curve.Points {
				curve.Points[i].X /= unit
			}
		}
	}
}
