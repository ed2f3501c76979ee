package layertest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// square computes y = w·x², and has one of several bugs.
type square struct {
	layers.Weights
	env *layers.Env
	bug string
}

func init() {
	for _, bug := range []string{"", "factor", "one number", "not written", "propagate_down", "not added", "top diff", "weight", "threads", "allocates", "fails"} {
		layers.Register(layers.Info{
			Type: "Square" + bug, Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
			New: func(s *layers.Spec) (layers.Layer, error) { return &square{env: s.Env, bug: bug}, nil },
		})
	}
}

func (l *square) SetUp(_, _ []*blob.Blob) error {
	w, err := blob.New(1)
	if err != nil {
		return err
	}
	w.MutableData()[0] = 3
	l.Blobs = []*blob.Blob{w}
	return nil
}

func (l *square) Reshape(bottom, top []*blob.Blob) error { return top[0].ReshapeLike(bottom[0]) }

func (l *square) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w := l.Blobs[0].Data()[0]
	for i, x := range bottom[0].Data() {
		top[0].MutableData()[i] = w * x * x
	}
	switch {
	case l.bug == "threads" && l.env.Workers.Threads() == 3:
		top[0].MutableData()[1] += 1e-6
	case l.bug == "allocates":
		garbage = make([]byte, 100)
	case l.bug == "fails":
		return fmt.Errorf("it fails")
	}
	return nil
}

var garbage []byte

func (l *square) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, x, dx, dy := l.Blobs[0], bottom[0].Data(), bottom[0].MutableDiff(), top[0].Diff()
	sum := float32(0)
	for i := range x {
		sum += dy[i] * x[i] * x[i]
	}
	switch l.bug {
	case "weight":
		w.MutableDiff()[0] += 2 * sum
	case "not added":
		w.MutableDiff()[0] = sum
	default:
		w.MutableDiff()[0] += sum
	}
	if !propagateDown[0] && l.bug != "propagate_down" {
		return nil
	}
	for i := range x {
		if l.bug == "not written" && i == 2 {
			continue
		}
		dx[i] = dy[i] * 2 * w.Data()[0] * x[i]
		switch {
		case l.bug == "factor":
			dx[i] *= 1.01
		case l.bug == "one number" && i == len(x)-1:
			dx[i] = -dx[i]
		case l.bug == "top diff":
			dx[i] = 2 * w.Data()[0] * x[i]
		}
	}
	return nil
}

// recorder is a testing.TB that keeps the messages of a check.
type recorder struct {
	testing.TB
	failed   bool
	logged   bool
	messages strings.Builder
}

func (r *recorder) Helper()      {}
func (r *recorder) Failed() bool { return r.failed }
func (r *recorder) Log(...any)   { r.logged = true }
func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	fmt.Fprintf(&r.messages, format+"\n", args...)
}
func (r *recorder) Fatal(args ...any) {
	r.failed = true
	fmt.Fprintln(&r.messages, args...)
	runtime.Goexit()
}

// record runs a check and returns its messages.
func record(t *testing.T, check func(t testing.TB)) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		check(r)
	}()
	<-done
	if r.failed != (r.messages.Len() > 0) {
		t.Errorf("failed is %v with message %q", r.failed, r.messages.String())
	}
	return r.messages.String()
}

func text(bug string) string {
	return fmt.Sprintf(`layer { type: "Square%s" bottom: "x" top: "y" }`, bug)
}

// TestCheckGradientFinds checks layers with bugs.
func TestCheckGradientFinds(t *testing.T) {
	for bug, want := range map[string]string{
		"":               "",
		"factor":         `bottom 0 "x", element 0 at [0 0]: Backward gives `,
		"one number":     `bottom 0 "x", element 5 at [1 2]: Backward gives `,
		"not written":    `bottom 0 "x", element 2 at [0 2]: Backward gives NaN, the central difference is `,
		"top diff":       `bottom 0 "x", element 0 at [0 0]: Backward gives `,
		"propagate_down": `bottom 0 "x", element 0 at [0 0]: diff is written though propagate_down is [false]`,
		"weight":         "param 0, element 0: Backward gives ",
		"not added":      "param 0, element 0: diff is ",
		"fails":          "it fails",
	} {
		got := record(t, func(r testing.TB) {
			f := layertest.New(r, text(bug), layertest.Uniform(1, 0.5, 2, 2, 3))
			layertest.CheckGradient(r, f, layertest.GradientOptions{})
		})
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("bug %q: got %q, want %q", bug, got, want)
		}
	}
}

// TestCheckGradientKink checks that elements near a kink are left out and no
// others, and that a check of nothing fails.
func TestCheckGradientKink(t *testing.T) {
	check := func(opts layertest.GradientOptions, x ...float32) string {
		return record(t, func(r testing.TB) {
			f := layertest.New(r, `layer { type: "ReLU" bottom: "x" top: "y" }`, layertest.Values(x, len(x)))
			layertest.CheckGradient(r, f, opts)
		})
	}
	if got := check(layertest.GradientOptions{}, 1, 0.004, -1); !strings.Contains(got, `bottom 0 "x", element 1: `) {
		t.Errorf("a kink is not found: %q", got)
	}
	if got := check(layertest.GradientOptions{KinkRange: 0.011}, 1, 0.004, -1); got != "" {
		t.Errorf("an element at a kink is checked: %q", got)
	}
	if got := check(layertest.GradientOptions{KinkRange: 0.011}, 0.004); !strings.Contains(got, "no element was checked") {
		t.Errorf("a check of nothing passes: %q", got)
	}
}

// TestCheckGradientOfNothing checks that a check fails if no bottom and no weights
// are left to check.
func TestCheckGradientOfNothing(t *testing.T) {
	got := record(t, func(r testing.TB) {
		f := layertest.New(r, text(""), layertest.Gaussian(1, 2, 3))
		layertest.CheckGradient(r, f, layertest.GradientOptions{Bottoms: []int{}, Params: []int{}})
	})
	if !strings.Contains(got, "there is no gradient to check") {
		t.Errorf("a check of nothing passes: %q", got)
	}
}

func TestCheckThreadsFinds(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3)
	if got := record(t, func(r testing.TB) { layertest.CheckThreads(r, text(""), x) }); got != "" {
		t.Errorf("a correct layer: %s", got)
	}
	got := record(t, func(r testing.TB) { layertest.CheckThreads(r, text("threads"), x) })
	if !strings.Contains(got, `top 0 "y" data, element 1 at [0 1] is `) || !strings.Contains(got, "with 3") {
		t.Errorf("a layer that depends on the threads: %q", got)
	}
}

func TestCheckAllocsFinds(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3)
	if got := record(t, func(r testing.TB) { layertest.CheckAllocs(r, text(""), x) }); got != "" {
		t.Errorf("a correct layer: %s", got)
	}
	unchecked := false // by a program with the race detector
	if got := record(t, func(r testing.TB) {
		layertest.CheckAllocs(r, text("allocates"), x)
		unchecked = r.(*recorder).logged
	}); !unchecked && !strings.Contains(got, "allocate 1 times per pass") {
		t.Errorf("a layer that allocates: %q", got)
	}
}

func TestCheckErrorFinds(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3)
	const bad = "layer { name: \"l\" bottom: \"x\" top: \"y\"\ntype: \"Nonesuch\" }"
	for want, got := range map[string]string{
		"":                  record(t, func(r testing.TB) { layertest.CheckError(r, 2, `layer "l": unknown layer type "Nonesuch"`, bad, x) }),
		"want line 1":       record(t, func(r testing.TB) { layertest.CheckError(r, 1, `layer "l": unknown layer type "Nonesuch"`, bad, x) }),
		`want "something"`:  record(t, func(r testing.TB) { layertest.CheckError(r, 2, `something`, bad, x) }),
		"no error, want me": record(t, func(r testing.TB) { layertest.CheckError(r, 2, `me`, text(""), x) }),
	} {
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func ExampleSetUp() {
	f, err := layertest.SetUp(new(layers.Env), `layer { type: "Power" bottom: "x" top: "y" power_param { power: 2 shift: 1 } }`,
		layertest.Values([]float32{1, 2, 3}, 3))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := f.Forward(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Top[0].Data())
	// Output: [4 9 16]
}
