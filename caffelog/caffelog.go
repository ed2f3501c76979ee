// Package caffelog writes Caffe's log from the events of solvers, nets and
// layers, line by line and letter by letter, as the scripts in Caffe's
// tools/extra read it. It also reads such logs, those of Caffe and its forks too.
//
//	s, err := solver.New(file, solver.Options{Observer: caffelog.New(func(level event.Level, source, text string) {
//		fmt.Printf("%c %s] %s\n", level, source, text)
//	})})
package caffelog

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// A Writer takes a line of the log, whose text may itself have several lines.
// source is the place in Caffe at commit 9b89154 that writes this line, such as
// "net.cpp:86", which tools that read logs expect.
type Writer func(level event.Level, source, text string)

// New returns an observer that writes Caffe's log. Solvers and nets that run in
// turn may share it, those that run at the same time may not.
//
// Differs from Caffe: the speed in the first line of a training is 0 and not an
// uninitialised number, and a loss that is not finite is explained, once, by a
// warning.
func New(write Writer) event.Observer { return &caffeLog{write: write} }

type caffeLog struct {
	write Writer
	since time.Time // of the last line that shows the speed
	iter  int       // at that time

	classes []string // of HDF5 elements that were written

	// added is a Data layer whose connections are not written yet: in Caffe
	// the constructor opens the database, before the net connects the layer.
	added *net.Layer
}

// Observe writes the lines of an event.
func (l *caffeLog) Observe(e any) {
	if added := l.added; added != nil {
		l.added = nil
		if opened, ok := e.(*layers.DatabaseOpened); ok {
			l.layer(opened)
			l.connections(added)
			return
		}
		l.connections(added)
	}
	if note, ok := e.(*event.Note); ok {
		l.note(note)
		return
	}
	l.solver(e)
	l.net(e)
	l.layer(e)
}

func (l *caffeLog) print(source, format string, args ...any) {
	l.write(event.Info, source, fmt.Sprintf(format, args...))
}

// note writes a note, which has its own place.
func (l *caffeLog) note(e *event.Note) {
	text := e.Text
	if e.Layer != "" {
		text = fmt.Sprintf("layer %q: %s", e.Layer, text)
	}
	l.write(e.Level, e.Source, text)
}

// solver writes the lines of Caffe's solver.cpp and sgd_solver.cpp.
func (l *caffeLog) solver(event any) {
	switch e := event.(type) {
	case *solver.Initializing:
		l.print("solver.cpp:45", "Initializing solver from parameters: \n%s", prototxt.Marshal(e.Param))
	case *solver.Seeded:
		l.print("solver.cpp:50", "random_seed is not set, using %d", e.Seed)
	case *solver.CreatingNet:
		l.creatingNet(e)
	case *solver.LoadingWeights:
		l.print("solver.cpp:72", "Finetuning from %s", e.Path)
	case *solver.Initialized:
		l.print("solver.cpp:57", "Solver scaffolding done.")
	case *solver.Restored:
		l.print("sgd_solver.cpp:336", "SGDSolver: restoring history")
	case *solver.SolveStart:
		l.print("solver.cpp:289", "Solving %s", e.Net)
		l.print("solver.cpp:290", "Learning Rate Policy: %s", e.Policy)
	case *solver.StepStart:
		l.since, l.iter = time.Now(), e.Iter
	case *solver.Iteration:
		l.iteration(e)
	case *solver.Clipped:
		l.print("sgd_solver.cpp:99", "Gradient clipping: scaling down gradients (L2 norm %s > %s) by scale factor %s",
			g(e.Norm), g(e.Max), g(e.Scale))
	case *solver.Diverged:
		l.warn("solver.cpp:235", e.String())
	case *solver.Saturated:
		l.warn("solver.cpp:235", e.String())
	case *solver.TestStart:
		l.print("solver.cpp:347", "Iteration %d, Testing net (#%d)", e.Iter, e.Net)
	case *solver.TestResult:
		l.test(e)
	case *solver.TestInterrupted:
		l.print("solver.cpp:396", "Test interrupted.")
	case *solver.SnapshotFailed:
		l.warn("solver.cpp:464", e.String())
	case *solver.Snapshotting:
		switch {
		case e.State && e.HDF5:
			l.print("sgd_solver.cpp:296", "Snapshotting solver state to HDF5 file %s", e.Path)
		case e.State:
			l.print("sgd_solver.cpp:284", "Snapshotting solver state to binary proto file %s", e.Path)
		case e.HDF5:
			l.print("solver.cpp:474", "Snapshotting to HDF5 file %s", e.Path)
		default:
			l.print("solver.cpp:464", "Snapshotting to binary proto file %s", e.Path)
		}
	case *solver.FinalLoss:
		l.print("solver.cpp:327", "Iteration %d, loss = %s", e.Iter, g(e.SmoothedLoss))
	case *solver.Finished:
		if e.Early {
			l.print("solver.cpp:311", "Optimization stopped early.")
		} else {
			l.print("solver.cpp:332", "Optimization Done.")
		}
	}
}

// creatingNet writes which file or message a net is built from.
func (l *caffeLog) creatingNet(e *solver.CreatingNet) {
	switch {
	case e.Test && e.File != "":
		l.print("solver.cpp:190", "Creating test net (#%d) specified by %s file: %s", e.Index, e.Field, e.File)
	case e.Test:
		l.print("solver.cpp:190", "Creating test net (#%d) specified by %s", e.Index, e.Field)
	case e.Field == "train_net_param":
		l.print("solver.cpp:88", "Creating training net specified in train_net_param.")
	case e.Field == "train_net":
		l.print("solver.cpp:92", "Creating training net from train_net file: %s", e.File)
	case e.Field == "net_param":
		l.print("solver.cpp:98", "Creating training net specified in net_param.")
	default:
		l.print("solver.cpp:102", "Creating training net from net file: %s", e.File)
	}
}

// iteration writes the loss, the outputs and the learning rate of an iteration
// that is displayed. The time is in whole milliseconds, as Caffe's timer has it.
func (l *caffeLog) iteration(e *solver.Iteration) {
	if e.Display {
		lapse := float32(time.Since(l.since).Milliseconds()) / 1000
		rate := float32(e.Iter - l.iter)
		if lapse != 0 {
			rate /= lapse
		}
		l.print("solver.cpp:239", "Iteration %d (%s iter/s, %ss/%d iters), loss = %s",
			e.Iter, g(rate), g(lapse), e.Every, g(e.SmoothedLoss))
		l.since, l.iter = time.Now(), e.Iter
		for i, out := range e.Outputs {
			l.print("solver.cpp:258", "    Train net output #%d: %s", i, out)
		}
	}
	if e.MultiStep != 0 {
		l.print("sgd_solver.cpp:50", "MultiStep Status: Iteration %d, step = %d", e.Iter, e.MultiStep)
	}
	if e.Display {
		l.print("sgd_solver.cpp:112", "Iteration %d, lr = %s", e.Iter, g(e.LR))
	}
}

// test writes the means of a test.
func (l *caffeLog) test(e *solver.TestResult) {
	if e.HasLoss {
		l.print("solver.cpp:401", "Test loss: %s", g(e.Loss))
	}
	classes := e.Classes
	for i, out := range e.Outputs {
		for ; len(classes) > 0 && classes[0].Output == i; classes = classes[1:] {
			switch c := classes[0]; { // the places of these lines are those of SSD's solver.cpp
			case !c.Found:
				l.warn("solver.cpp:524", fmt.Sprintf("Missing true_pos for label: %d", c.Label))
			case e.ShowClasses:
				l.print("solver.cpp:540", "class%d: %s", c.Label, g(c.Precision))
			}
		}
		l.print("solver.cpp:414", "    Test net output #%d: %s", i, out)
	}
}

// net writes the lines of Caffe's net.cpp.
func (l *caffeLog) net(event any) {
	switch e := event.(type) {
	case *net.RuleNotMet:
		l.ruleNotMet(e)
	case *net.Initializing:
		l.print("net.cpp:53", "Initializing net from parameters: \n%s", bytes.TrimSuffix(prototxt.Marshal(e.Param), []byte("\n")))
	case *net.LayerAdded:
		l.print("layer_factory.hpp:77", "Creating layer %s", e.Layer.Name)
		if e.Layer.Type == "Data" {
			l.added = e.Layer
			return
		}
		l.connections(e.Layer)
	case *net.LayerReady:
		l.print("net.cpp:124", "Setting up %s", e.Layer.Name)
		for j, top := range e.Layer.Tops {
			l.print("net.cpp:131", "Top shape: %s", top.ShapeString())
			if w := e.Layer.LossWeights[j]; w != 0 {
				l.print("net.cpp:134", "    with loss weight %s", g(w))
			}
		}
		l.print("net.cpp:139", "Memory required for data: %d", e.DataBytes)
	case *net.ParamShared:
		p := e.Param
		l.print("net.cpp:467", "Sharing parameters '%s' owned by layer '%s', param index %d", p.Name, p.Owner.Layer, p.Owner.Index)
	case *net.BackwardDecided:
		if e.Needs {
			l.print("net.cpp:200", "%s needs backward computation.", e.Layer)
		} else {
			l.print("net.cpp:202", "%s does not need backward computation.", e.Layer)
		}
	case *net.OutputFound:
		l.print("net.cpp:244", "This network produces output %s", e.Blob)
	case *net.Initialized:
		l.print("net.cpp:257", "Network initialization done.")
	case *net.LayerIgnored:
		source := "net.cpp:746"
		switch {
		case e.Shared:
			source = "net.cpp:678"
		case e.HDF5:
			source = "net.cpp:801"
		}
		l.print(source, "Ignoring source layer %s", e.Layer)
	case *net.BlobMagnitude:
		l.magnitude(e)
	case *net.ParamNorms:
		l.paramNorms(e)
	}
}

// ruleNotMet writes which rule of a layer the state of the net does not meet.
func (l *caffeLog) ruleNotMet(e *net.RuleNotMet) {
	switch e.Field {
	case "phase":
		l.print("net.cpp:296", "The NetState phase (%d) differed from the phase (%d) specified by a rule in layer %s",
			e.State.GetPhase(), e.Rule.GetPhase(), e.Layer)
	case "min_level":
		l.print("net.cpp:306", "The NetState level (%d) is above the min_level (%d) specified by a rule in layer %s",
			e.State.GetLevel(), e.Rule.GetMinLevel(), e.Layer)
	case "max_level":
		l.print("net.cpp:316", "The NetState level (%d) is above the max_level (%d) specified by a rule in layer %s",
			e.State.GetLevel(), e.Rule.GetMaxLevel(), e.Layer)
	case "stage":
		l.print("net.cpp:332", "The NetState did not contain stage '%s' specified by a rule in layer %s", e.Stage, e.Layer)
	case "not_stage":
		l.print("net.cpp:347", "The NetState contained a not_stage '%s' specified by a rule in layer %s", e.Stage, e.Layer)
	}
}

// connections writes the bottoms and tops of a layer. In Caffe a
// SoftmaxWithLoss then makes a Softmax of the same name.
func (l *caffeLog) connections(layer *net.Layer) {
	l.print("net.cpp:86", "Creating Layer %s", layer.Name)
	for _, name := range layer.BottomNames {
		l.print("net.cpp:408", "%s <- %s", layer.Name, name)
	}
	for j, name := range layer.TopNames {
		if j < len(layer.BottomNames) && layer.BottomNames[j] == name {
			l.print("net.cpp:369", "%s -> %s (in-place)", layer.Name, name)
		} else {
			l.print("net.cpp:382", "%s -> %s", layer.Name, name)
		}
	}
	if layer.Type == "SoftmaxWithLoss" {
		l.print("layer_factory.hpp:77", "Creating layer %s", layer.Name)
	}
}

// magnitude writes a line of debug_info.
func (l *caffeLog) magnitude(e *net.BlobMagnitude) {
	mean := g(e.Mean)
	switch {
	case !e.Backward && !e.Weights:
		l.print("net.cpp:593", "    [Forward] Layer %s, top blob %s data: %s", e.Layer, e.Blob, mean)
	case !e.Backward:
		l.print("net.cpp:605", "    [Forward] Layer %s, param blob %s data: %s", e.Layer, e.Blob, mean)
	case !e.Weights:
		l.print("net.cpp:621", "    [Backward] Layer %s, bottom blob %s diff: %s", e.Layer, e.Blob, mean)
	default:
		l.print("net.cpp:632", "    [Backward] Layer %s, param blob %s diff: %s", e.Layer, e.Blob, mean)
	}
}

func (l *caffeLog) paramNorms(e *net.ParamNorms) {
	l.write(event.Error, "net.cpp:721", fmt.Sprintf("    [Backward] All net params (data, diff): L1 norm = (%s, %s); L2 norm = (%s, %s)",
		cfmt.G(e.DataL1), cfmt.G(e.DiffL1), cfmt.G(e.DataL2), cfmt.G(e.DiffL2)))
}

// layer writes the lines of Caffe's data layers.
func (l *caffeLog) layer(event any) {
	switch e := event.(type) {
	case *layers.DatabaseOpened:
		l.print("db_lmdb.cpp:35", "Opened %s %s", e.Backend, e.Path)
	case *layers.ListOpening:
		if e.Type == hdf5Data {
			l.print("hdf5_data_layer.cpp:81", "Loading list of HDF5 filenames from: %s", e.Path)
			return
		}
		l.print("image_data_layer.cpp:38", "Opening file %s", e.Path)
	case *layers.Shuffling:
		l.print("image_data_layer.cpp:53", "Shuffling data")
	case *layers.ListRead:
		if e.Type == hdf5Data {
			l.print("hdf5_data_layer.cpp:95", "Number of HDF5 files: %d", e.Items)
			return
		}
		l.print("image_data_layer.cpp:63", "A total of %d images.", e.Items)
	case *layers.Skipping:
		l.print("image_data_layer.cpp:70", "Skipping first %d data points.", e.Items)
	case *layers.MeanLoading:
		l.print("data_transformer.cpp:25", "Loading mean file from: %s", e.Path)
	case *layers.HDF5Opened:
		l.class(e.Class)
	case *layers.HDF5Saving:
		l.print("hdf5_output_layer.cpp:33", "Saving HDF5 file %s", e.Path)
	case *layers.HDF5Saved:
		l.print("hdf5_output_layer.cpp:38", "Successfully saved %d rows", e.Rows)
	case *layers.DataReady:
		if e.Type == hdf5Data {
			return
		}
		source := "data_layer.cpp:45"
		if e.Type == "ImageData" {
			source = "image_data_layer.cpp:90"
		}
		l.print(source, "output data size: %s", strings.ReplaceAll(strings.Trim(fmt.Sprint(e.Shape), "[]"), " ", ","))
	case *layers.DataRestarted:
		l.print("data_layer.cpp:73", "Restarting data prefetching from start.")
	case *layers.NotTransformed:
		l.warn("memory_data_layer.cpp:90", "MemoryData does not transform array data on Reset()")
	}
}

// hdf5Data is a type of layers whose log differs from that of others.
const hdf5Data = "HDF5Data"

// class writes the class of the elements of an HDF5 dataset, the first time, as Caffe
// does.
func (l *caffeLog) class(name string) {
	line := map[string]string{"H5T_FLOAT": "hdf5.cpp:33", "H5T_INTEGER": "hdf5.cpp:36"}[name]
	if line == "" || slices.Contains(l.classes, name) {
		return
	}
	l.classes = append(l.classes, name)
	l.print(line, "Datatype class: %s", name)
}

func (l *caffeLog) warn(source, text string) { l.write(event.Warning, source, text) }

// g formats a number as a C++ stream does.
func g(x float32) string { return cfmt.G(float64(x)) }
