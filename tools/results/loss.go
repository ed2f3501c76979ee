package main

import (
	"fmt"
	"strings"
)

// A loss is a row of tables 1 and 2.
type loss struct {
	title string
	zoo   string // end of the net's name in the zoo; "" for softmax
	paper map[string]float64

	// candidates are the settings to choose from, each as replacements in the net of
	// the zoo. Without candidates there is nothing to choose.
	candidates []setting
}

// A setting is a choice of a loss's options.
type setting struct {
	title   string
	replace []string // pairs: text of the zoo's net, and what takes its place
}

// Options of EMSoftmaxLoss in the zoo's nets.
const (
	zooEM = "m: 1 lambda: 0.1 V: 2"
)

func em(m, lambda float64, v int) setting {
	return setting{fmt.Sprintf("m %g, λ %g, V %d", m, lambda, v),
		[]string{zooEM, fmt.Sprintf("m: %g lambda: %g V: %d", m, lambda, v)}}
}

// each returns a setting for each value.
func each(title, from, to string, values ...string) []setting {
	var all []setting
	for _, v := range values {
		all = append(all, setting{strings.ReplaceAll(title, "X", v), []string{from, strings.ReplaceAll(to, "X", v)}})
	}
	return all
}

// losses are in the order of the paper's tables. Each has five settings to choose from
// but softmax, which has none.
var losses = []loss{
	{title: "HingeLoss", zoo: "hinge",
		paper:      map[string]float64{"mnist": 99.53, "cifar10": 90.09, "cifar10+": 93.31, "cifar100": 67.10, "cifar100+": 68.48, "imagenet32": 46.52},
		candidates: each("weight X", "loss_weight: 0.2 ", "loss_weight: X ", "0.02", "0.05", "0.1", "0.2", "0.5")},
	{title: "CenterLoss", zoo: "center",
		paper:      map[string]float64{"mnist": 99.41, "cifar10": 91.65, "cifar10+": 93.82, "cifar100": 69.23, "cifar100+": 70.97, "imagenet32": 47.43},
		candidates: each("weight X", "loss_weight: 0.003 ", "loss_weight: X ", "0.0003", "0.001", "0.003", "0.01", "0.03")},
	{title: "A-Softmax", zoo: "asoftmax",
		paper: map[string]float64{"mnist": 99.66, "cifar10": 91.72, "cifar10+": 93.98, "cifar100": 70.87, "cifar100+": 72.23, "imagenet32": 48.12},
		candidates: []setting{
			margin("lambda_min: 5", "DOUBLE", 2, 5), margin("lambda_min: 5", "TRIPLE", 3, 5), margin("lambda_min: 5", "QUADRUPLE", 4, 5),
			margin("lambda_min: 5", "QUADRUPLE", 4, 10), margin("lambda_min: 5", "QUADRUPLE", 4, 20),
		}},
	{title: "N-Softmax", zoo: "normface",
		paper:      map[string]float64{"mnist": 99.48, "cifar10": 91.46, "cifar10+": 93.90, "cifar100": 70.49, "cifar100+": 71.85, "imagenet32": 47.52},
		candidates: each("scale X", "filler { value: 10 }", "filler { value: X }", "5", "10", "15", "20", "30")},
	{title: "L-Softmax", zoo: "lsoftmax",
		paper: map[string]float64{"mnist": 99.69, "cifar10": 92.42, "cifar10+": 94.08, "cifar100": 70.47, "cifar100+": 71.96, "imagenet32": 47.85},
		candidates: []setting{
			margin("power: 35", "DOUBLE", 2, 0), margin("power: 35", "TRIPLE", 3, 0), margin("power: 35", "QUADRUPLE", 4, 0),
			margin("power: 35", "DOUBLE", 2, 5), margin("power: 35", "QUADRUPLE", 4, 5),
		}},
	{title: "Softmax",
		paper: map[string]float64{"mnist": 99.60, "cifar10": 90.95, "cifar10+": 93.50, "cifar100": 67.26, "cifar100+": 69.15, "imagenet32": 46.89}},
	{title: "M-Softmax", zoo: "m",
		paper:      map[string]float64{"mnist": 99.70, "cifar10": 92.50, "cifar10+": 94.27, "cifar100": 70.72, "cifar100+": 72.54, "imagenet32": 48.21},
		candidates: each("m X", " m: 1 ", " m: X ", "0.1", "0.5", "1", "5", "10")},
	{title: "E-Softmax", zoo: "e",
		paper:      map[string]float64{"mnist": 99.69, "cifar10": 92.38, "cifar10+": 93.92, "cifar100": 70.34, "cifar100+": 71.33, "imagenet32": 48.16},
		candidates: each("λ X, V 2", "lambda: 0.1 V: 2", "lambda: X V: 2", "0.01", "0.03", "0.1", "0.3", "1")},
	{title: "EM-Softmax", zoo: "em",
		paper:      map[string]float64{"mnist": 99.73, "cifar10": 93.31, "cifar10+": 95.02, "cifar100": 72.21, "cifar100+": 75.69, "imagenet32": 49.22},
		candidates: []setting{em(0.1, 0.1, 2), em(0.5, 0.1, 2), em(1, 0.1, 2), em(5, 0.1, 2), em(10, 0.1, 2)}},
}

// margin is a setting of an angular margin: m, and the smallest weight of the plain inner
// product. last is the option after which the zoo's net may end.
func margin(last, typ string, m int, least float64) setting {
	options := fmt.Sprintf("%s lambda_min: %g", last, least)
	if strings.HasPrefix(last, "lambda_min") {
		options = fmt.Sprintf("lambda_min: %g", least)
	}
	return setting{fmt.Sprintf("m %d, λ at least %g", m, least), []string{"type: QUADRUPLE", "type: " + typ, last, options}}
}

func lossNamed(title string) loss {
	for _, l := range losses {
		if l.title == title {
			return l
		}
	}
	panic("no loss " + title) // all names are in this program
}
