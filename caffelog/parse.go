package caffelog

import (
	"bufio"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Log is what a log of training says about its course.
type Log struct {
	Runs  []Run
	Train []Row   // what training displayed, line by line
	Test  [][]Row // the results of each test net
}

// A Run is one start of the program. A log has several if a program appended to it,
// or if it was put together from others.
type Run struct {
	Net     string  // its name
	Resumed bool    // from a snapshot
	Seconds float64 // from the start of the first run
}

// A Row is what a log says about one iteration.
type Row struct {
	Run          int // index of Log.Runs
	Iteration    int
	Seconds      float64 // from the start of the first run
	LearningRate float64 // NaN if the log does not tell
	Loss         float64 // of all outputs; in training the mean of average_loss iterations; NaN if the log does not tell
	Outputs      []Output

	rateBefore float64 // the learning rate that the log printed last before the outputs
}

// An Output is one number of an output of a net.
type Output struct {
	Name  string // of the blob
	Value float64
	Loss  float64 // its share in the loss: the value times its weight; NaN if it is no loss
}

// Parse reads a log of training, of Caffe, a fork or gocaffe, with lines
//
//	I1123 13:37:22.929498 19999 solver.cpp:258]     Train net output #0: loss = 0.25 (* 1 = 0.25 loss)
//
// whose dates may have a year. It skips other lines, and reads what follows such a
// prefix anywhere in a line.
func Parse(r io.Reader) (*Log, error) {
	p := &parser{rate: math.NaN()}
	lines := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := lines.ReadSlice('\n')
		p.line(string(line))
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a line that is no log's
			_, err = lines.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	p.finish()
	return &p.log, nil
}

// A parser reads a log line by line.
type parser struct {
	log     Log
	started bool // the start of the first run is known
	start   time.Time
	last    time.Time // of the line before
	year    int
	resumed bool // the next run is resumed
	rate    float64

	iteration int
	net       int // test net
	train     *Row
	test      *Row
}

var (
	prefix     = regexp.MustCompile(`[IWEF](\d{4})?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{1,9})\s+\d+ \S+:\d+\] ?(.*)`)
	iteration  = regexp.MustCompile(`^Iteration (\d+)`)
	testing    = regexp.MustCompile(`Testing net \(#(\d+)\)`)
	value      = regexp.MustCompile(`\b(loss|lr) = ([^\s,]+)`)
	output     = regexp.MustCompile(`^\s*(Train|Test) net output #\d+: (\S+) = (\S+)(?: \(\* \S+ = (\S+) loss\))?`)
	testLoss   = regexp.MustCompile(`^\s*Test loss: (\S+)`)
	maxTestNet = 1000
)

// firstYear is the year of dates that have none. It is a leap year, so that it has
// every day.
const firstYear = 2000

func (p *parser) line(line string) {
	m := prefix.FindStringSubmatch(line)
	if m == nil {
		return
	}
	at, ok := p.time(m[1 : len(m)-1])
	if !ok {
		return
	}
	text := m[len(m)-1]
	switch {
	case strings.HasPrefix(text, "Resuming from ") || strings.Contains(text, "restoring history"):
		p.resumed = true
	case strings.HasPrefix(text, "Solving"):
		p.run(strings.TrimSpace(strings.TrimPrefix(text, "Solving")), at)
	case strings.HasPrefix(text, "Iteration "):
		p.iterationLine(text, at)
	default:
		p.outputLine(text, at)
	}
}

// time returns the time of a line: year, month, day, hour, minute, second and the
// digits behind the second's point.
func (p *parser) time(digits []string) (at time.Time, ok bool) {
	var n [7]int
	for i, d := range digits {
		if i == len(n)-1 {
			d = (d + "000000000")[:9]
		}
		n[i], _ = strconv.Atoi(d) // digits alone; no year is 0
	}
	if n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] > 23 || n[4] > 59 || n[5] > 60 {
		return at, false
	}
	if p.year == 0 {
		p.year = firstYear
	}
	if n[0] != 0 {
		p.year = n[0]
	} else if !p.last.IsZero() && n[1] < int(p.last.Month()) {
		p.year++ // a new year's day was passed
	}
	p.last = time.Date(p.year, time.Month(n[1]), n[2], n[3], n[4], n[5], n[6], time.UTC)
	return p.last, true
}

// run begins a run.
func (p *parser) run(net string, at time.Time) {
	p.begin(at)
	p.finish()
	p.log.Runs = append(p.log.Runs, Run{Net: net, Resumed: p.resumed, Seconds: p.seconds(at)})
	p.resumed = false
}

// begin takes the time as that of the log's start, if there is none yet.
func (p *parser) begin(at time.Time) {
	if !p.started {
		p.started, p.start = true, at
	}
}

func (p *parser) seconds(at time.Time) float64 {
	return float64(at.Sub(p.start).Microseconds()) / 1e6
}

// row returns a new row of the current iteration. A log whose beginning is lost has
// a first run without a name.
func (p *parser) row(at time.Time) *Row {
	p.begin(at)
	if len(p.log.Runs) == 0 {
		p.log.Runs = append(p.log.Runs, Run{Resumed: p.resumed})
		p.resumed = false
	}
	return &Row{
		Run: len(p.log.Runs) - 1, Iteration: p.iteration, Seconds: p.seconds(at),
		LearningRate: math.NaN(), Loss: math.NaN(), rateBefore: p.rate,
	}
}

// iterationLine reads a line that begins with "Iteration".
func (p *parser) iterationLine(text string, at time.Time) {
	m := iteration.FindStringSubmatch(text)
	if m == nil {
		return
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return
	}
	p.iteration = n
	if m := testing.FindStringSubmatch(text); m != nil {
		p.finishTest()
		if p.net, err = strconv.Atoi(m[1]); err != nil || p.net > maxTestNet {
			p.net = 0
		}
		return
	}
	m = value.FindStringSubmatch(text)
	if m == nil {
		return
	}
	v, ok := number(m[2])
	switch {
	case !ok:
	case m[1] == "lr":
		p.setRate(v)
	default:
		p.finishTrain()
		p.train = p.row(at)
		p.train.Loss = v
	}
}

// setRate takes a learning rate, which is that of the current iteration.
func (p *parser) setRate(rate float64) {
	p.rate = rate
	if p.train != nil && p.train.Iteration == p.iteration {
		p.train.LearningRate = rate
	}
	if p.test != nil && p.test.Iteration == p.iteration {
		p.test.LearningRate = rate
	}
	for _, rows := range p.log.Test {
		if len(rows) > 0 {
			if r := &rows[len(rows)-1]; r.Run == len(p.log.Runs)-1 && (r.Iteration == p.iteration || math.IsNaN(r.LearningRate)) {
				r.LearningRate = rate
			}
		}
	}
}

// outputLine reads a line with an output of a net.
func (p *parser) outputLine(text string, at time.Time) {
	if m := testLoss.FindStringSubmatch(text); m != nil {
		if v, ok := number(m[1]); ok {
			p.testRow(at).Loss = v
		}
		return
	}
	m := output.FindStringSubmatch(text)
	if m == nil {
		return
	}
	v, ok := number(m[3])
	if !ok {
		return
	}
	o := Output{Name: m[2], Value: v, Loss: math.NaN()}
	if loss, ok := number(m[4]); ok {
		o.Loss = loss
	}
	var row *Row
	if m[1] == "Test" {
		row = p.testRow(at)
	} else {
		if p.train == nil || p.train.Iteration != p.iteration {
			p.finishTrain()
			p.train = p.row(at)
		}
		row = p.train
	}
	if len(row.Outputs) == 0 {
		row.Seconds, row.rateBefore = p.seconds(at), p.rate
	}
	row.Outputs = append(row.Outputs, o)
}

// testRow returns the row of the test that runs.
func (p *parser) testRow(at time.Time) *Row {
	if p.test == nil || p.test.Iteration != p.iteration {
		p.finishTest()
		p.test = p.row(at)
		p.test.LearningRate = p.rate
	}
	return p.test
}

func (p *parser) finish() {
	p.finishTrain()
	p.finishTest()
}

func (p *parser) finishTrain() {
	if p.train != nil {
		p.log.Train = append(p.log.Train, *p.train)
		p.train = nil
	}
}

func (p *parser) finishTest() {
	if p.test == nil {
		return
	}
	for len(p.log.Test) <= p.net {
		p.log.Test = append(p.log.Test, nil)
	}
	p.log.Test[p.net] = append(p.log.Test[p.net], *p.test)
	p.test = nil
}

// number reads a number as C++ prints it, on Windows too.
func number(text string) (v float64, ok bool) {
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return v, true
	}
	switch negative := strings.HasPrefix(text, "-"); strings.TrimLeft(text, "-") {
	case "nan", "1.#QNAN", "1.#IND", "nan(ind)":
		return math.NaN(), true
	case "1.#INF":
		if negative {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	}
	return 0, false
}
