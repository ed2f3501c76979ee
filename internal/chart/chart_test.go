package chart

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/internal/picture"
)

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		values     []float64
		log, tight bool
		n          int
		want       string // the ends and the labels
	}{
		{[]float64{0, 100}, false, true, 5, "0 20 40 60 80 100"},
		{[]float64{3, 97}, false, true, 5, "20 40 60 80"},
		{[]float64{0.1, 2.4}, false, false, 4, "0 1 2 3"},
		{[]float64{0, 1}, false, false, 5, "0 0.2 0.4 0.6 0.8 1.0"},
		{[]float64{-1, 1}, false, false, 4, "-1.0 -0.5 0 0.5 1.0"},
		{[]float64{0.031, 0.05}, false, false, 3, "0.03 0.04 0.05"},
		{[]float64{1e-6, 5e-6}, false, false, 3, "0 2e-06 4e-06 6e-06"},
		{[]float64{0, 4.5e7}, false, false, 3, "0 2e+07 4e+07 6e+07"},
		{[]float64{0, 450000}, false, true, 6, "0 100000 200000 300000 400000"},
		{[]float64{5, 5}, false, false, 4, "2 4 6 8"},
		{[]float64{0, math.NaN(), math.Inf(1)}, false, false, 2, "-1 0 1"},
		{nil, false, false, 2, "0 0.5 1.0"},
		{[]float64{3e-5, 2.4}, true, false, 6, "1e-05 0.0001 0.001 0.01 0.1 1 10"},
		{[]float64{0, -3, 0.3, 20}, true, false, 6, "0.2 0.5 1 2 5 10 20"},
		{[]float64{0.03, 0.05}, true, false, 6, "0.03 0.04 0.05"},
		{[]float64{1e-30, 1}, true, false, 4, "1e-30 1e-26 1e-22 1e-18 1e-14 1e-10 1e-06 0.01"},
	} {
		a := newAxis(tt.values, tt.log, tt.tight, tt.n)
		var labels []string
		for _, tick := range a.ticks {
			labels = append(labels, tick.label)
			if p := a.place(tick.value); p < -1e-9 || p > 1+1e-9 {
				t.Errorf("%v: tick %s is at %g of the axis", tt.values, tick.label, p)
			}
		}
		if got := strings.Join(labels, " "); got != tt.want {
			t.Errorf("%v: ticks %s, want %s", tt.values, got, tt.want)
		}
		for _, v := range tt.values {
			if finite := !math.IsNaN(v) && !math.IsInf(v, 0) && (!tt.log || v > 0); finite != a.has(v) {
				t.Errorf("%v: has(%g) is %t", tt.values, v, !finite)
			}
		}
	}
}

func TestText(t *testing.T) {
	c := Chart{X: "iteration", Panels: []Panel{{Y: "loss", Curves: []Curve{
		{Name: "train loss", Points: []Point{{0, 3}, {10, 1}, {20, math.NaN()}, {30, 2}, {40, 2}}},
		{Name: "test loss", Points: []Point{{0, 0}, {40, 3}}},
		{Name: "a loss with a name that is too long for a line", Points: []Point{{20, 3}}},
	}}}}
	var got strings.Builder
	if err := c.Text(&got, 40, 7); err != nil {
		t.Fatal(err)
	}
	want := `loss:  * train loss  + test loss
       o a loss with a.. long for a line
4 +
  |*                 o                 +
  |****                        +++++++++
2 +   ****             +++++++**********
  |      ****  +++++++++
  |    +++++++++
0 ++++++
  ++-----------------+-----------------+
   0                20                40
                 iteration
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
	for line := range strings.Lines(got.String()) {
		if len(line) > 40+len("\n") {
			t.Errorf("%q is wider than 40", line)
		}
	}
}

func TestThin(t *testing.T) {
	var points []Point
	for i := range 100000 {
		points = append(points, Point{float64(i), math.Sin(float64(i))})
	}
	points[77777].Y = 9
	thinned := thin(points, 100)
	if len(thinned) > 400 || thinned[0] != points[0] || thinned[len(thinned)-1] != points[len(points)-1] || !slices.Contains(thinned, points[77777]) {
		t.Errorf("%d points, from %v to %v", len(thinned), thinned[0], thinned[len(thinned)-1])
	}
	if !slices.IsSortedFunc(thinned, func(a, b Point) int { return int(a.X - b.X) }) {
		t.Error("the points are not in order")
	}
}

const courseLog = `I0902 13:35:56.000000 1 solver.cpp:239] Solving net
I0902 13:35:56.000000 1 solver.cpp:347] Iteration 0, Testing net (#0)
I0902 13:35:56.000000 1 solver.cpp:414]     Test net output #0: a = 0.5
I0902 13:35:56.000000 1 solver.cpp:414]     Test net output #1: b = 7
I0902 13:35:56.000000 1 solver.cpp:414]     Test net output #2: x/loss = 2 (* 0.5 = 1 loss)
I0902 13:35:56.000000 1 solver.cpp:414]     Test net output #3: y/loss = 3 (* 1 = 3 loss)
I0902 14:35:56.000000 1 solver.cpp:239] Iteration 0, loss = 5
I0902 14:35:56.000000 1 solver.cpp:258]     Train net output #0: x/loss = 4 (* 0.5 = 2 loss)
I0902 14:35:56.000000 1 sgd_solver.cpp:171] Iteration 0, lr = 0.1
I0902 23:35:56.000000 1 solver.cpp:239] Iteration 10, loss = nan
I0902 23:35:56.000000 1 solver.cpp:258]     Train net output #0: x/loss = nan (* 0.5 = nan loss)
`

func TestCourse(t *testing.T) {
	log, err := caffelog.Parse(strings.NewReader(courseLog))
	if err != nil {
		t.Fatal(err)
	}
	one := []Training{{"one", log}}
	two := []Training{{"one", log}, {"two", log}}
	for _, tt := range []struct {
		name      string
		trainings []Training
		o         Options
		want      string // panels: curves with colors and points
	}{
		{"default", one, Options{},
			"iteration; loss: train loss (NaN from iteration 10) 0 {0 5} {10 NaN}, test loss 1 dashed {0 4}; accuracy: test a 0 dashed {0 0.5}"},
		{"seconds", one, Options{Y: []string{"train-loss", "lr"}, Seconds: true},
			"hours; train-loss: train loss (NaN from iteration 10) 0 {1 5} {10 NaN}; learning rate: learning rate 0 {1 0.1}"},
		{"an output", one, Options{Y: []string{"x/loss"}, Log: true},
			"iteration; x/loss log: train x/loss (NaN from iteration 10) 0 {0 4} {10 NaN}, test x/loss 1 dashed {0 2}"},
		{"two logs", two, Options{Y: []string{"loss", "test-b"}},
			"iteration; loss: one: train loss (NaN from iteration 10) 0 {0 5} {10 NaN}, one: test loss 0 dashed {0 4}, " +
				"two: train loss (NaN from iteration 10) 1 {0 5} {10 NaN}, two: test loss 1 dashed {0 4}; " +
				"test-b: one: test b 0 dashed {0 7}, two: test b 1 dashed {0 7}"},
	} {
		c, err := Course(tt.trainings, tt.o)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := courseText(c); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if _, err := Course(one, Options{Y: []string{"recall"}}); err == nil || err.Error() != "no recall in the logs, want one of loss, accuracy, lr, x/loss, a, b, y/loss" {
		t.Errorf("an unknown quantity: %v", err)
	}
}

func TestSVG(t *testing.T) {
	log, err := caffelog.Parse(strings.NewReader(courseLog))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Course([]Training{{"<one>", log}, {"two", log}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var svg, png bytes.Buffer
	draw := func(p *picture.Picture) { c.Draw(p, 720, 600) }
	if err := picture.Write(&svg, "svg", 720, 600, draw); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">loss</text>", ">accuracy</text>", ">&lt;one&gt;: train loss (NaN from iteration 10)</text>", ">iteration</text>"} {
		if !strings.Contains(svg.String(), want) {
			t.Errorf("the picture lacks %s", want)
		}
	}
	if err := picture.Write(&png, "png", 720, 600, draw); err != nil || !bytes.HasPrefix(png.Bytes(), []byte("\x89PNG")) {
		t.Errorf("no PNG file: %v", err)
	}
}

func courseText(c *Chart) string {
	s := c.X
	for _, p := range c.Panels {
		s += "; " + p.Y
		if p.Log {
			s += " log"
		}
		for i, curve := range p.Curves {
			s += []string{": ", ", "}[min(i, 1)] + curve.Name + fmt.Sprintf(" %d", curve.Color)
			if curve.Dashed {
				s += " dashed"
			}
			for _, q := range curve.Points {
				s += fmt.Sprintf(" %v", q)
			}
		}
	}
	return s
}
