package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/deploy"
	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/internal/meanap"
	"github.com/gocaffe/gocaffe/net"
)

// A testNet is a net to test.
type testNet struct {
	net        *net.Net
	classifier *classifier // nil without a report

	loss, batches float32 // sum over the batches, and their number
	outputs       []outputSum
	detections    map[int]*meanap.Sum // of the outputs that are rows of detections
	apVersion     string
}

// An outputSum has, for each element of an output, the sum over the batches, and the
// number of the batches that have it.
type outputSum struct{ sum, batches []float32 }

// add adds a batch, which is a part of a whole one. If it has fewer elements than a
// whole one, these belong to items and count fully.
func (o *outputSum) add(values []float32, part float32) {
	for len(o.sum) < len(values) {
		o.sum, o.batches = append(o.sum, 0), append(o.batches, 0)
	}
	if len(values) < len(o.sum) {
		part = 1
	}
	for k, v := range values {
		o.sum[k] += part * v
		o.batches[k] += part
	}
}

// newTestNet builds a net in the memory that all nets share and loads its weights.
func (a *app) newTestNet(f *testFlags, p pair, classify bool, memory *net.Memory) (*testNet, error) {
	own := f.scoreFlags
	own.model, own.weights = p.model, p.weights
	file, opts, err := a.readModel(&own, caffepb.Phase_TEST, "caffe.cpp:275")
	if err != nil {
		return nil, err
	}
	opts.Memory, opts.ForwardOnly, opts.Inference, opts.PackedWeights = memory, true, !f.noFold, f.packedWeights()
	if f.report.scores != "" {
		opts.Keep = []string{f.report.scores}
	}
	t := &testNet{apVersion: f.apVersion}
	if t.net, err = net.New(file, opts); err != nil {
		return nil, withReason(err, "test runs a net in phase TEST, with the level and the stages of --level and --stage")
	}
	if classify {
		if named := deploy.NameScores(file, t.net, opts.State); named != file {
			t.net.Close()
			if t.net, err = net.New(named, opts); err != nil {
				return nil, err
			}
		}
		t.classifier, err = newClassifier(t.net, f.report.scores)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", p.model, err)
	} else if err = checkInputs(t.net, "test", p.model); err == nil {
		for path := range strings.SplitSeq(p.weights, ",") {
			err = errors.Join(err, t.net.LoadWeights(strings.TrimSpace(path)))
		}
	}
	if err != nil {
		t.net.Close()
		return nil, err
	}
	if f.device == nil {
		if err := a.checkMemory(p.model, t.net.Plan().Bytes()); err != nil {
			t.net.Close()
			return nil, err
		}
	}
	weightsRead()
	a.warnUnloaded(t.net, p.weights)
	return t, nil
}

// forward runs a batch, which is a part of a whole one, and adds up the outputs.
func (t *testNet) forward(ctx context.Context, part float32) error {
	var loss float32
	for i, l := range t.net.Layers() {
		own, err := t.net.ForwardLayer(ctx, i)
		if err != nil {
			return err
		}
		loss += own
		if t.classifier != nil {
			t.classifier.look(l)
		}
	}
	t.net.SetPass(t.net.Pass() + 1)
	t.loss += part * loss
	t.batches += part
	outputs := t.net.Outputs()
	if t.outputs == nil {
		t.outputs = make([]outputSum, len(outputs))
		t.detections = make(map[int]*meanap.Sum)
		for i, rows := range evaluated(t.net) {
			if rows {
				t.detections[i] = new(meanap.Sum)
			}
		}
	}
	for i, o := range outputs {
		if s := t.detections[i]; s != nil {
			if err := s.Add(o.Blob.Data()); err != nil {
				return fmt.Errorf("%s: %w", o.Name, err)
			}
			continue
		}
		t.outputs[i].add(o.Blob.Data(), part)
	}
	return nil
}

// means logs the loss and the outputs, averaged over the batches, or their mean average
// precision.
func (a *app) means(t *testNet) error {
	a.result("caffe.cpp:309", "Loss: "+cfmt.G(float64(t.loss/t.batches)))
	for i, o := range t.net.Outputs() {
		if s := t.detections[i]; s != nil {
			lines, err := precisions(o.Name, s, t.apVersion)
			if err != nil {
				return err
			}
			for _, line := range lines {
				a.result("caffe.cpp:321", line)
			}
			continue
		}
		for k, sum := range t.outputs[i].sum {
			mean := sum / t.outputs[i].batches[k]
			text := o.Name + " = " + cfmt.G(float64(mean))
			if o.LossWeight != 0 {
				text += fmt.Sprintf(" (* %s = %s loss)", cfmt.G(float64(o.LossWeight)), cfmt.G(float64(o.LossWeight*mean)))
			}
			a.result("caffe.cpp:321", text)
		}
	}
	return nil
}
