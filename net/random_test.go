package net

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/parallel"
)

// randomNets is the number of nets of TestRandomNets.
const randomNets = 60

// TestRandomNets draws nets of the layers that others compute, with branches and layers in
// place. Where blobs share memory, losses and gradients are those of separate blobs, and the
// same bits on several threads; nets for inference, made for one item, have the same outputs.
func TestRandomNets(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	count := randomNets
	if testing.Short() {
		count /= 4
	}
	joined, deferring := 0, 0
	for seed := range count {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			text := drawNet(r)
			file := parse(t, text)
			data := make([]float32, 5*16*5*6) // for 4 or 16 channels
			for i := range data {
				data[i] = float32(r.NormFloat64())
			}
			fill := func(n *Net) {
				copy(n.Blob("data").MutableData(), data)
				copy(n.Blob("label").MutableData(), []float32{0, 1, 2, 1, 0})
			}
			make := func(phase string, o Options) *Net {
				o.State, o.Seed = state(t, phase), 3
				n, err := New(file, o)
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				t.Cleanup(func() { n.Close() })
				fill(n)
				return n
			}
			apart := make("TRAIN", Options{})
			one, three := make("TRAIN", Options{Memory: new(Memory)}), make("TRAIN", Options{Memory: new(Memory), Workers: pool})
			if deferred(one) != "" {
				deferring++
			}
			for pass, batch := range []int{3, 3, 5, 1} {
				for _, n := range []*Net{apart, one, three} {
					resize(t, n, batch)
					fill(n)
				}
				want, got := iterate(t, apart), iterate(t, one)
				if d := distance(got, want); !(d <= 1e-3) {
					t.Errorf("pass %d: with shared memory the results differ by %g of the largest\n%s", pass, d, text)
				}
				if d := distance(iterate(t, three), got); d != 0 {
					t.Errorf("pass %d: on three threads the results differ by %g of the largest\n%s", pass, d, text)
				}
			}
			file = parse(t, strings.ReplaceAll(text, "shape { dim: 3", "shape { dim: 1"))
			single, inference := make("TEST", Options{}), make("TEST", Options{Inference: true})
			if strings.Contains(joinedBlobs(inference), "b") {
				joined++
			}
			for _, items := range []int{1, 3, 1} {
				for _, n := range []*Net{single, inference} {
					for j, p := range n.params {
						copy(p.Blob.MutableData(), apart.params[j].Blob.Data())
					}
					if err := errors.Join(n.Blob("data").Reshape(items, n.Blob("data").Dim(1), 5, 6), n.Blob("label").Reshape(items)); err != nil {
						t.Fatal(err)
					}
					copy(n.Blob("data").MutableData(), data)
					copy(n.Blob("label").MutableData(), []float32{0, 1, 2})
				}
				if d := distance(spoiled(t, inference), spoiled(t, single)); !(d <= 1e-3) {
					t.Errorf("%d items: for inference the outputs differ by %g of the largest\n%s", items, d, text)
				}
			}
		})
	}
	if joined < count/20 {
		t.Errorf("of %d nets for inference, %d have blobs in the tops of a Concat", count, joined)
	}
	if deferring*8 < count {
		t.Errorf("%d of %d nets have a normalization that the next layer computes", deferring, count)
	}
}

// resize gives a net of drawNet another batch size.
func resize(t *testing.T, n *Net, batch int) {
	t.Helper()
	if err := errors.Join(n.Blob("data").Reshape(batch, n.Blob("data").Dim(1), 5, 6), n.Blob("label").Reshape(batch)); err != nil {
		t.Fatal(err)
	}
}

// A netDrawer draws a net whose blobs have one shape, but for concatenations.
type netDrawer struct {
	*rand.Rand
	text   strings.Builder
	blobs  []string
	closed map[string]bool // blobs that no layer may change in place
	width  int             // channels; with 16, convolutions compute normalizations before them
}

// drawNet returns the text of a net.
func drawNet(r *rand.Rand) string {
	d := &netDrawer{Rand: r, blobs: []string{"data"}, closed: map[string]bool{"data": true}, width: 4 << (2 * r.IntN(2))}
	d.convolve("", "kernel_size: 3 pad: 1", "data")
	for range 3 + r.IntN(12) {
		d.draw()
	}
	fmt.Fprintf(&d.text, "layer { name: 'ip' type: 'InnerProduct' bottom: '%s' top: 'ip' inner_product_param { num_output: 3 weight_filler { type: 'xavier' } } }\n", d.blobs[len(d.blobs)-1])
	d.text.WriteString("layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }")
	head := fmt.Sprintf("layer { name: 'in' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 3 dim: %d dim: 5 dim: 6 } shape { dim: 3 } } }\n", d.width)
	if r.IntN(4) == 0 {
		head = "force_backward: true\n" + head
	}
	return head + d.text.String()
}

// draw adds a layer, or two.
func (d *netDrawer) draw() {
	const noise = "filler { type: 'gaussian' mean: 1 std: 0.3 }"
	frozen := ""
	if d.IntN(6) == 0 {
		frozen = "param { lr_mult: 0 } param { lr_mult: 0 } "
	}
	switch d.IntN(21) {
	case 0, 1:
		kernel := []string{"kernel_size: 1", "kernel_size: 3 pad: 1"}[d.IntN(2)]
		d.convolve(frozen, kernel+" bias_filler { type: 'gaussian' std: 1 }", d.bottom())
	case 2, 3, 4:
		d.add("BatchNorm", d.rarely("", "batch_norm_param { use_global_stats: true }", "batch_norm_param { stats_batch_size: 1 }"), d.bottom())
	case 5, 6:
		d.add("Scale", frozen+"scale_param { bias_term: true "+noise+" bias_"+noise+" }", d.bottom())
	case 7:
		d.add("Bias", "bias_param { "+noise+" }", d.bottom())
	case 8, 9:
		d.add("ReLU", d.rarely("", "relu_param { negative_slope: 0.2 }"), d.bottom())
	case 10:
		d.add([]string{"TanH", "PReLU", "Sigmoid"}[d.IntN(3)], "", d.bottom())
	case 11:
		bottoms := []string{d.bottom(), d.blobs[d.IntN(len(d.blobs))]}
		if d.IntN(6) == 0 {
			d.add("Eltwise", "", append(bottoms, d.bottom())...)
		} else {
			d.add("Eltwise", d.rarely("", "eltwise_param { coeff: 1 coeff: -0.5 }", "eltwise_param { operation: MAX }"), bottoms...)
		}
	case 12:
		d.add("Concat", "", d.bottom(), d.bottom())
		cat := d.blobs[len(d.blobs)-1]
		d.blobs = d.blobs[:len(d.blobs)-1]
		d.convolve("", "kernel_size: 1", cat)
	case 13, 14, 15, 16:
		d.normalized(frozen)
	case 17:
		d.split(d.bottom())
	default:
		d.block()
	}
}

// normalized adds a normalization and the convolution after it.
func (d *netDrawer) normalized(param string) {
	d.add("BatchNorm", d.rarely("", "batch_norm_param { use_global_stats: true }"), d.bottom())
	if d.IntN(2) == 0 {
		d.add("Bias", "", d.blobs[len(d.blobs)-1])
	}
	if d.IntN(3) > 0 {
		d.add("ReLU", d.rarely("", "relu_param { negative_slope: 0.2 }"), d.blobs[len(d.blobs)-1])
	}
	d.convolve(param, "kernel_size: 3 pad: 1", d.blobs[len(d.blobs)-1])
}

// split adds a Split of the file, one of whose tops a layer in place changes for both.
func (d *netDrawer) split(bottom string) {
	n := strings.Count(d.text.String(), "\n")
	tops := []string{fmt.Sprintf("b%d", n), fmt.Sprintf("b%dx", n)}
	fmt.Fprintf(&d.text, "layer { name: 'split%d' type: 'Split' bottom: '%s' top: '%s' top: '%s' }\n", n, bottom, tops[0], tops[1])
	d.closed[bottom] = true
	d.blobs = append(d.blobs, tops...)
}

// convolve adds a convolution.
func (d *netDrawer) convolve(param, more, bottom string) {
	d.add("Convolution", fmt.Sprintf("%sconvolution_param { num_output: %d %s weight_filler { type: 'msra' } }", param, d.width, more), bottom)
}

// block adds the end of a residual block, and now and then a layer between the branches.
func (d *netDrawer) block() {
	last := func() string { return d.blobs[len(d.blobs)-1] }
	summand := d.bottom()
	d.add("BatchNorm", "", d.bottom())
	normalized := last()
	if d.IntN(3) == 0 {
		d.convolve("", "kernel_size: 1", d.bottom())
		summand = last()
	}
	d.add("Eltwise", "", summand, normalized)
	if d.IntN(4) > 0 {
		d.add("ReLU", "", last())
	}
	if d.IntN(4) == 0 {
		d.add("TanH", "", last())
	}
}

// bottom returns a blob, most often the last one.
func (d *netDrawer) bottom() string {
	if d.IntN(3) > 0 {
		return d.blobs[len(d.blobs)-1]
	}
	return d.blobs[d.IntN(len(d.blobs))]
}

// rarely returns the first string, or now and then another one.
func (d *netDrawer) rarely(options ...string) string {
	return options[max(0, d.IntN(len(options)+3)-3)]
}

// add adds a layer, in place now and then. Losses, blobs with two readers, and those of which a
// rectifier in place needs the signs, are not changed in place.
func (d *netDrawer) add(typ, more string, bottoms ...string) {
	top := fmt.Sprint("b", strings.Count(d.text.String(), "\n"))
	inPlace := len(bottoms) == 1 && typ != "Convolution" && !d.closed[bottoms[0]] && d.IntN(2) == 0
	if inPlace {
		top = bottoms[0]
	} else {
		d.blobs = append(d.blobs, top)
		for _, b := range bottoms {
			d.closed[b] = true
		}
	}
	if typ == "ReLU" || typ == "PReLU" {
		d.closed[top] = inPlace
	}
	if len(bottoms) == 1 && d.IntN(20) == 0 {
		more += " propagate_down: false"
	}
	if d.IntN(20) == 0 {
		more += " loss_weight: 0.01"
		d.closed[top] = true
	}
	fmt.Fprintf(&d.text, "layer { name: 'l%s' type: '%s' ", top+fmt.Sprint(d.text.Len()), typ)
	for _, b := range bottoms {
		fmt.Fprintf(&d.text, "bottom: '%s' ", b)
	}
	fmt.Fprintf(&d.text, "top: '%s' %s }\n", top, more)
}
