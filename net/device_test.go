package net

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/event"
)

// heard is a Receiver that keeps what it gets.
type heard struct {
	losses []float32
	dones  []int // how many losses came before each
}

func (h *heard) Loss(loss float32) { h.losses = append(h.losses, loss) }
func (h *heard) Done(took time.Duration) {
	if took <= 0 || took > time.Hour {
		panic(fmt.Sprint("the passes took ", took))
	}
	h.dones = append(h.dones, len(h.losses))
}

const lossOfInput = `
  layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
  layer { name: "y" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } loss_weight: 0.5 }
  layer { name: "z" type: "ReLU" bottom: "x" top: "z" loss_weight: 1 }
`

// startWith starts a pass with all inputs set to v, whose loss is 12 v.
func startWith(t *testing.T, n *Net, r Receiver, v float32) {
	t.Helper()
	fill(n.Blob("x").MutableData(), v)
	if err := n.Start(context.Background(), r); err != nil {
		t.Fatal(err)
	}
}

// TestReceiver checks that a net on the host reports each pass at once.
func TestReceiver(t *testing.T) {
	n := build(t, lossOfInput, Options{})
	var h heard
	for i := range 3 {
		startWith(t, n, &h, float32(i))
		if want := float32(12 * i); len(h.losses) != i+1 || h.losses[i] != want {
			t.Fatalf("after pass %d the losses are %g, want %g as the last", i, h.losses, want)
		}
	}
	if err := n.End(&h); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(h.dones, []int{3}) {
		t.Errorf("Done is called after %d losses, want after 3, once", h.dones)
	}
}

// TestDeviceReceivers runs more passes on a GPU than the ring has losses, for two
// receivers: each gets its own, once and in order, and not before the net waits.
func TestDeviceReceivers(t *testing.T) {
	n := build(t, lossOfInput, Options{Device: cudatest.Device(t)})
	var receivers [2]heard
	const passes = ringSize - 57 // for each receiver
	loss := 0
	for i := range receivers {
		for range passes {
			startWith(t, n, &receivers[i], float32(loss))
			loss++
		}
		if i == 0 && len(receivers[0].losses) > 0 {
			t.Errorf("%d losses are reported before Wait", len(receivers[0].losses))
		}
	}
	if err := n.End(&receivers[1]); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Forward(context.Background()); err != nil || got != float32(12*(loss-1)) {
		t.Errorf("Forward returns %g and %v, want %d", got, err, 12*(loss-1))
	}
	loss = 0
	for i, h := range receivers {
		if len(h.losses) != passes || !slices.Equal(h.dones, []int{passes}[:i]) {
			t.Errorf("receiver %d gets %d losses and ends after %d of them, want %d losses", i, len(h.losses), h.dones, passes)
		}
		for k, got := range h.losses {
			if got != float32(12*loss) {
				t.Fatalf("loss %d of receiver %d is %g, want %d", k, i, got, 12*loss)
			}
			loss++
		}
	}
}

// TestDeviceEnds checks that ends are reported without Wait: when they are many,
// and after a while.
func TestDeviceEnds(t *testing.T) {
	n := build(t, lossOfInput, Options{Device: cudatest.Device(t)})
	startWith(t, n, new(heard), 1)
	if err := n.Wait(); err != nil {
		t.Fatal(err)
	}
	end := func(h *heard) {
		if err := n.End(h); err != nil {
			t.Fatal(err)
		}
	}
	var h heard
	startWith(t, n, &h, 1)
	for range maxEnds {
		end(&h)
	}
	if len(h.dones) != maxEnds {
		t.Errorf("%d of %d ends are reported", len(h.dones), maxEnds)
	}
	h = heard{}
	startWith(t, n, &h, 1)
	end(&h)
	time.Sleep(maxDelay)
	end(&h)
	if len(h.dones) != 2 {
		t.Errorf("%d of 2 ends are reported after %v", len(h.dones), maxDelay)
	}
}

// TestDeviceLossErrors checks what a receiver gets when kernels find a wrong label,
// and when the GPU fails.
func TestDeviceLossErrors(t *testing.T) {
	d := cudatest.Device(t)
	n := build(t, `
		layer { name: "x" type: "Input" top: "x" top: "label" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
		layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" top: "loss" }`, Options{Device: d})
	var h heard
	for _, label := range []float32{0, 7, 1} {
		fill(n.Blob("label").MutableData(), label)
		if err := n.Start(context.Background(), &h); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Wait(); err == nil || !strings.Contains(err.Error(), `layer "loss"`) {
		t.Errorf("got %v, want an error of layer loss about a label", err)
	}
	if len(h.losses) != 3 {
		t.Errorf("%d losses are reported, want 3", len(h.losses))
	}
	if err := n.Start(context.Background(), &h); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	d.Fail(broken)
	if err := n.Wait(); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if err := n.Wait(); err != nil || len(h.losses) != 3 {
		t.Errorf("after that Wait returns %v, and %d losses are reported; want still 3", err, len(h.losses))
	}
	if _, err := n.Forward(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestDeviceUnrecorded runs a net whose products are cuBLAS's, which does not allow
// its calls to be recorded: the passes run unrecorded, and one note for each pass
// says why.
func TestDeviceUnrecorded(t *testing.T) {
	fake := cudatest.Fake(t, "uncapturable=cublasGemmEx")
	fake.UseLibraries()
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	var notes []string
	const text = `
		force_backward: true
		layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
		layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
		  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
		layer { name: "relu" type: "ReLU" bottom: "ip" top: "relu" loss_weight: 1 }`
	n := build(t, text, Options{Device: d, Observer: event.Func(func(e any) {
		if note, ok := e.(*event.Note); ok {
			notes = append(notes, note.Layer+": "+note.Text)
		}
	})})
	host := build(t, text, Options{})
	for pass := range 7 {
		for _, n := range []*Net{n, host} {
			fill(n.Blob("x").MutableData(), float32(pass-3))
		}
		got, want := forward(t, n), forward(t, host)
		backward(t, n)
		backward(t, host)
		if math.Abs(float64(got-want)) > 1e-5*max(1, math.Abs(float64(want))) {
			t.Errorf("pass %d: loss %g, want %g", pass, got, want)
		}
		for i, w := range host.Blob("x").Diff() {
			if g := n.Blob("x").Diff()[i]; math.Abs(float64(g-w)) > 1e-5 {
				t.Errorf("pass %d: diff[%d] is %g, want %g", pass, i, g, w)
			}
		}
	}
	const because = " run one by one: cannot be recorded: net.prototxt:4:3: layer \"ip\": cublasGemmEx: CUBLAS_STATUS_INTERNAL_ERROR (14)"
	if want := []string{
		`ip: passes from here to layer "relu"` + because,
		`relu: passes from here to layer "ip"` + because,
	}; !slices.Equal(notes, want) {
		t.Errorf("the notes are\n%s\nwant\n%s", strings.Join(notes, "\n"), strings.Join(want, "\n"))
	}
}
