package main

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// colors are of ten classes, by Okabe and Ito and two more, which the color-blind can tell
// apart.
var colors = []color.RGBA{
	{0, 0, 0, 255}, {230, 159, 0, 255}, {86, 180, 233, 255}, {0, 158, 115, 255}, {204, 187, 0, 255},
	{0, 114, 178, 255}, {213, 94, 0, 255}, {204, 121, 167, 255}, {140, 140, 140, 255}, {110, 60, 20, 255},
}

// save writes a plot to the folder images beside the page.
func (p *program) save(pl *plot.Plot, name string, width, height vg.Length) error {
	canvas := vgsvg.New(width, height)
	pl.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.image(name)), 0o777); err != nil {
		return err
	}
	return writeWhole(p.image(name), b.Bytes())
}

// image returns the path of an image of the page.
func (p *program) image(name string) string {
	return filepath.Join(filepath.Dir(p.page), "images", name)
}

// drawnSeed is the seed of the nets whose features are drawn.
const drawnSeed = 1

// image returns the name of the image of a row's features.
func (t table) image(s scale, r row) string {
	return strings.ToLower(fmt.Sprintf("%s-%s-%s.svg", s.name, t.name, r.label))
}

// errorPoints are means with standard deviations.
type errorPoints struct {
	plotter.XYs
	plotter.YErrors
}

// drawCurve draws the accuracies of EM-Softmax over x, one step to the right for each row: λ
// has no scale on which 0 and 30 can both be shown. A dashed line is the mean of softmax,
// where it is known.
func (p *program) drawCurve(file, x string, rows []measured, plain measured) error {
	pl := plot.New()
	pl.X.Label.Text, pl.Y.Label.Text = x, "accuracy, %"
	var points errorPoints
	var ticks []plot.Tick
	for i, r := range rows {
		v := r.accuracies()
		mean, deviation := meanDeviation(v)
		points.XYs = append(points.XYs, plotter.XY{X: float64(i), Y: mean})
		points.YErrors = append(points.YErrors, struct{ Low, High float64 }{deviation, deviation})
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: r.label})
	}
	line, dots, err := plotter.NewLinePoints(points.XYs)
	if err != nil {
		return err
	}
	line.Color, line.Width = colors[5], vg.Points(1.5)
	dots.Color, dots.Shape = colors[5], draw.CircleGlyph{}
	bars, err := plotter.NewYErrorBars(points)
	if err != nil {
		return err
	}
	bars.Color = colors[5]
	pl.X.Tick.Marker = plot.ConstantTicks(ticks)
	pl.Add(plotter.NewGrid(), line, dots, bars)
	pl.Legend.Left = true
	pl.Legend.Add("EM-Softmax", line, dots)
	if len(plain.results) > 0 {
		mean, _ := meanDeviation(plain.accuracies())
		level, err := plotter.NewLine(plotter.XYs{{X: 0, Y: mean}, {X: float64(len(rows) - 1), Y: mean}})
		if err != nil {
			return err
		}
		level.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		pl.Add(level)
		pl.Legend.Add("softmax", level)
	}
	return p.save(pl, file, 14*vg.Centimeter, 8*vg.Centimeter)
}

// featuresShown is how many test images have a point: more make a file of megabytes.
const featuresShown = 2000

// drawFeatures draws the two features of test images. Where the weights are on another
// machine, the plot that is there stays.
func (p *program) drawFeatures(file string, r run) error {
	dir, _, _, err := p.dir(r)
	if err != nil {
		return err
	}
	if !exists(filepath.Join(dir, r.weights())) && exists(p.image(file)) {
		return nil
	}
	points, err := p.features(r)
	if err != nil {
		return err
	}
	pl := plot.New()
	pl.Add(plotter.NewGrid())
	for class, xys := range points {
		if len(xys) == 0 {
			continue
		}
		s, err := plotter.NewScatter(xys)
		if err != nil {
			return err
		}
		s.GlyphStyle = draw.GlyphStyle{Color: colors[class], Radius: vg.Points(1), Shape: draw.CircleGlyph{}}
		pl.Add(s)
		key := *s
		key.Radius = vg.Points(3)
		pl.Legend.Add(fmt.Sprint(class), &key)
	}
	pl.Legend.Top = true
	pl.Legend.XOffs = vg.Points(30)
	pl.X.Padding, pl.Y.Padding = 0, 0
	return p.save(pl, file, 14*vg.Centimeter, 12*vg.Centimeter)
}

// features runs a trained net on test images and returns their features by class.
func (p *program) features(r run) (points [10]plotter.XYs, err error) {
	dir, _, _, err := p.dir(r)
	if err != nil {
		return points, err
	}
	file, err := net.Read(filepath.Join(dir, "net.prototxt"))
	if err != nil {
		return points, err
	}
	pool := parallel.NewPool(p.threads)
	defer pool.Close()
	n, err := net.New(file, net.Options{State: &caffepb.NetState{Phase: caffepb.Phase_TEST.Enum()}, Workers: pool, ForwardOnly: true})
	if err != nil {
		return points, err
	}
	defer n.Close()
	if err := n.LoadWeights(filepath.Join(dir, r.weights())); err != nil {
		return points, err
	}
	features, labels := n.Blob("ip1"), n.Blob("label")
	if features == nil || labels == nil {
		return points, fmt.Errorf("%s: the net has no blobs ip1 and label", dir)
	}
	for shown := 0; shown < featuresShown; shown += labels.Count() {
		if _, err := n.Forward(context.Background()); err != nil {
			return points, err
		}
		n.SetPass(n.Pass() + 1)
		for i, class := range labels.Data() {
			f := features.Data()[2*i:]
			points[int(class)] = append(points[int(class)], plotter.XY{X: float64(f[0]), Y: float64(f[1])})
		}
	}
	return points, nil
}
