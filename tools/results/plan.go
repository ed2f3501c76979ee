package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A row of a table is the average of nets, or one net.
type row struct {
	label string
	nets  []run
	x     float64 // in figures
}

// A table is one of the paper's tables or figures.
type table struct {
	name, title string
	data        dataset
	tuned       []loss // whose settings are chosen first
	rows        func(p *program, chosen map[string]setting) []row
	write       func(p *program, t table, rows []measured) (string, error)
}

var tables = slices.Concat(
	[]table{
		lossTable("mnist"), lossTable("cifar10"), lossTable("cifar10+"),
		lossTable("cifar100"), lossTable("cifar100+"), lossTable("imagenet32"), lossTable("digits"),
		lengthTable(), averagingTable(), dropoutTable("table4", "cifar10"), dropoutTable("table4-cifar100", "cifar100"), timeTable(),
	},
	figures("", "cifar10"), figures("-cifar100", "cifar100"), figures("-digits", "digits"),
	[]table{featureTable("", "mnist"), featureTable("-digits", "digits")},
)

func tableNames() []string {
	var names []string
	for _, t := range tables {
		if t.data.name != "digits" {
			names = append(names, t.name)
		}
	}
	return names
}

func tableNamed(name string) (table, error) {
	for _, t := range tables {
		if t.name == name {
			return t, nil
		}
	}
	return table{}, fmt.Errorf("there is no table %q, want some of: %s", name, strings.Join(tableNames(), " "))
}

// at reports whether a table is there at a scale.
func (t table) at(s scale) bool { return s.iterations[t.data.tuned] > 0 }

// base returns a training of a dataset with a loss at the scale's length.
func (p *program) base(d dataset, l loss, s setting) run {
	return run{data: d, loss: l, setting: s, iterations: p.scale.iterations[d.tuned]}
}

// trialSeed is that of the trials; trainings have seeds from 1 on.
const trialSeed = 100

// trials are the runs that a setting of a loss is chosen by: on a part of the training set,
// tested on the rest of it.
func (p *program) trials(d dataset, l loss) []run {
	var runs []run
	for _, s := range l.candidates {
		r := p.base(datasetNamed(d.tuned), l, s)
		r.part, r.seed = "fit", trialSeed
		r.iterations = max(1, int(float64(r.iterations)*p.scale.trial))
		runs = append(runs, r)
	}
	return runs
}

// chosen returns the setting of each loss that was best in its trials, the first of equal
// ones, or nil if a trial is missing.
func (p *program) chosen(d dataset, tuned []loss) (map[string]setting, error) {
	best := make(map[string]setting)
	for _, l := range tuned {
		most := -1.0
		for _, r := range p.trials(d, l) {
			res, err := p.stored(r)
			if res == nil || err != nil {
				return nil, err
			}
			if res.Accuracy > most {
				most, best[l.title] = res.Accuracy, r.setting
			}
		}
	}
	return best, nil
}

// table does the runs of a table that are missing.
func (p *program) table(ctx context.Context, name string) error {
	t, err := tableNamed(name)
	if err != nil {
		return err
	}
	if !t.at(p.scale) {
		return fmt.Errorf("there is no table %q at scale %s", name, p.scale.name)
	}
	if err := p.prepare(ctx, t.data); err != nil {
		return err
	}
	var trials []run
	for _, l := range t.tuned {
		trials = append(trials, p.trials(t.data, l)...)
	}
	if err := p.all(ctx, trials); err != nil {
		return err
	}
	chosen, err := p.chosen(t.data, t.tuned)
	if err != nil {
		return err
	}
	rows := t.rows(p, chosen)
	var runs []run
	for seed := range p.scale.seeds[t.data.tuned] {
		for _, r := range rows {
			nets := r.seeded(seed + 1)
			average, err := p.result(nets)
			if err != nil {
				return err
			}
			for _, n := range nets {
				n.whole = n.features > 0 && n.seed == drawnSeed && !exists(p.image(t.image(p.scale, r))) || len(nets) > 1 && average == nil
				runs = append(runs, n)
			}
		}
	}
	if err := p.all(ctx, runs); err != nil {
		return err
	}
	for seed := range p.scale.seeds[t.data.tuned] {
		for _, r := range rows {
			if len(r.nets) > 1 {
				if err := p.average(ctx, r.seeded(seed+1)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// seeded returns the nets of a row with a seed.
func (r row) seeded(seed int) []run {
	runs := slices.Clone(r.nets)
	for i := range runs {
		runs[i].seed = seed
	}
	return runs
}

// measured is a row with the result of each seed.
type measured struct {
	row
	results []result
}

func (m measured) accuracies() []float64 {
	var v []float64
	for _, r := range m.results {
		v = append(v, r.Accuracy)
	}
	return v
}

// measure returns the rows with their results, or nil if one is missing.
func (p *program) measure(t table) ([]measured, error) {
	chosen, err := p.chosen(t.data, t.tuned)
	if chosen == nil || err != nil {
		return nil, err
	}
	var all []measured
	for _, r := range t.rows(p, chosen) {
		results, err := p.seeds(t.data, r)
		if results == nil || err != nil {
			return nil, err
		}
		all = append(all, measured{row: r, results: results})
	}
	return all, nil
}

// seeds returns the result of a row for each seed, or nil if one is missing.
func (p *program) seeds(d dataset, r row) (results []result, err error) {
	for seed := range p.scale.seeds[d.tuned] {
		res, err := p.result(r.seeded(seed + 1))
		if res == nil || err != nil {
			return nil, err
		}
		results = append(results, *res)
	}
	return results, nil
}

// lossTable compares the losses on a dataset: a column of table 1, or table 2.
func lossTable(data string) table {
	d := datasetNamed(data)
	return table{
		name: data, title: d.title, data: d, tuned: losses, write: writeLosses,
		rows: func(p *program, chosen map[string]setting) (rows []row) {
			for _, l := range losses {
				rows = append(rows, row{label: l.title, nets: []run{p.base(d, l, chosen[l.title])}})
			}
			return rows
		},
	}
}

var (
	softmax = lossNamed("Softmax")
	full    = lossNamed("EM-Softmax") // the paper's loss with all its parts
)

// averagingTable compares EM-Softmax with averages of whole nets: table 3.
func averagingTable() table {
	d := datasetNamed("cifar10")
	return table{
		name: "table3", title: "EM-Softmax and averages of nets, CIFAR-10", data: d, tuned: []loss{full}, write: writeAveraging,
		rows: func(p *program, chosen map[string]setting) []row { return averagingRows(p, d, chosen) },
	}
}

func averagingRows(p *program, d dataset, chosen map[string]setting) []row {
	plain := p.base(d, softmax, setting{})
	width := func(n int) run {
		r := plain
		if n != 64 {
			r.width = n
		}
		return r
	}
	zoo := func(name string) run {
		r := plain
		r.net = name
		return r
	}
	small, alex := zoo("cifar10-full"), zoo("alexnet-cifar10")
	return []row{
		{label: "LiuNet", nets: []run{plain}},
		{label: "Full", nets: []run{small}},
		{label: "AlexNet", nets: []run{alex}},
		{label: "LiuNet + Full + AlexNet", nets: []run{plain, small, alex}},
		{label: "LiuNet(48)", nets: []run{width(48)}},
		{label: "LiuNet(64)", nets: []run{width(64)}},
		{label: "LiuNet(96)", nets: []run{width(96)}},
		{label: "LiuNet(48 + 64 + 96)", nets: []run{width(48), width(64), width(96)}},
		{label: "EM-Softmax", nets: []run{p.base(d, full, chosen[full.title])}},
	}
}

// dropoutTable adds dropout to softmax and to EM-Softmax: table 4.
func dropoutTable(name, data string) table {
	d := datasetNamed(data)
	return table{
		name: name, title: "Dropout, " + d.title, data: d, tuned: []loss{full}, write: writePlain,
		rows: func(p *program, chosen map[string]setting) (rows []row) {
			for _, l := range []loss{softmax, full} {
				for _, ratio := range []float64{0, 0.3, 0.5, 0.7} {
					r := p.base(d, l, chosen[l.title])
					r.dropout = ratio
					label := l.title
					if ratio > 0 {
						label += fmt.Sprintf(", dropout %g", ratio)
					}
					rows = append(rows, row{label: label, nets: []run{r}})
				}
			}
			return rows
		},
	}
}

// lengthTable trains softmax and EM-Softmax for parts of the scale's iterations: whether
// EM-Softmax gains more when a net is trained for longer.
func lengthTable() table {
	d := datasetNamed("cifar10")
	return table{
		name: "length", title: "Length of the training, CIFAR-10", data: d, tuned: []loss{full}, write: writeLengths,
		rows: func(p *program, chosen map[string]setting) (rows []row) {
			for _, factor := range []float64{0.25, 0.5, 1} {
				for _, l := range []loss{softmax, full} {
					r := p.base(d, l, chosen[l.title])
					r.iterations = int(float64(r.iterations) * factor)
					rows = append(rows, row{label: l.title, nets: []run{r}, x: float64(r.iterations)})
				}
			}
			return rows
		},
	}
}

// timeTable sets times against accuracies: table 5.
func timeTable() table {
	d := datasetNamed("cifar10")
	return table{
		name: "table5", title: "Time and accuracy, CIFAR-10", data: d, tuned: []loss{full}, write: writeTimes,
		rows: func(p *program, chosen map[string]setting) []row {
			dropped := p.base(d, softmax, setting{})
			dropped.dropout = 0.5
			all := averagingRows(p, d, chosen)
			return []row{all[0], {label: "Softmax, dropout 0.5", nets: []run{dropped}}, all[3], all[7], all[8]}
		},
	}
}

// figures are accuracies over λ with V 2, and over V with λ 0.1: figures 1 and 2.
func figures(suffix, data string) []table {
	d := datasetNamed(data)
	margins := map[string]float64{} // m by the title of a chosen setting
	for _, m := range []float64{0.1, 0.5, 1, 5, 10} {
		margins[em(m, 0.1, 2).title] = m
	}
	lambdas, counts := []float64{0, 0.01, 0.1, 1, 10, 30}, []int{1, 2, 5, 10}
	if data == "digits" {
		lambdas, counts = lambdas[:2], counts[:2]
	}
	return []table{
		{
			name: "fig1" + suffix, title: "Accuracy over λ with V 2, " + d.title, data: d, tuned: []loss{full}, write: writeFigure("λ"),
			rows: func(p *program, chosen map[string]setting) (rows []row) {
				m := margins[chosen[full.title].title]
				for _, v := range lambdas {
					rows = append(rows, row{label: fmt.Sprint(v), x: v, nets: []run{p.base(d, full, em(m, v, 2))}})
				}
				return rows
			},
		},
		{
			name: "fig2" + suffix, title: "Accuracy over V with λ 0.1, " + d.title, data: d, tuned: []loss{full}, write: writeFigure("V"),
			rows: func(p *program, chosen map[string]setting) (rows []row) {
				m := margins[chosen[full.title].title]
				for _, v := range counts {
					rows = append(rows, row{label: fmt.Sprint(v), x: float64(v), nets: []run{p.base(d, full, em(m, 0.1, v))}})
				}
				return rows
			},
		},
	}
}

// featureTable is features of two numbers, which can be drawn.
func featureTable(suffix, data string) table {
	d := datasetNamed(data)
	shown := []loss{softmax, lossNamed("M-Softmax"), full}
	if data == "digits" {
		shown = []loss{softmax, full}
	}
	return table{
		name: "features" + suffix, title: "Features of two numbers, " + d.title, data: d, tuned: shown, write: writeFeatures,
		rows: func(p *program, chosen map[string]setting) (rows []row) {
			for _, l := range shown {
				r := p.base(d, l, chosen[l.title])
				r.features = 2
				rows = append(rows, row{label: l.title, nets: []run{r}})
			}
			return rows
		},
	}
}
