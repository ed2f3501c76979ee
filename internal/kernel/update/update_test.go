package update

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// updateRules are the formulas of Caffe's src/caffe/solvers in float64. Each maps a
// gradient and the histories to the amount subtracted and the new histories.
var updateRules = []struct {
	name string
	u    Step
	want func(g, h, h2 float64) (float64, float64, float64)
}{
	{"SGD", Step{Rule: SGD, Rate: 0.01, Momentum: 0.9},
		func(g, h, h2 float64) (float64, float64, float64) {
			h = 0.9*h + 0.01*g
			return h, h, h2
		}},
	{"Nesterov", Step{Rule: Nesterov, Rate: 0.01, Momentum: 0.9},
		func(g, h, h2 float64) (float64, float64, float64) {
			next := 0.9*h + 0.01*g
			return 1.9*next - 0.9*h, next, h2
		}},
	{"AdaGrad", Step{Rule: AdaGrad, Rate: 0.01, Delta: 1e-3},
		func(g, h, h2 float64) (float64, float64, float64) {
			h += g * g
			return 0.01 * g / (math.Sqrt(h) + 1e-3), h, h2
		}},
	{"RMSProp", Step{Rule: RMSProp, Rate: 0.01, Momentum: 0.98, Delta: 1e-3},
		func(g, h, h2 float64) (float64, float64, float64) {
			h = 0.98*h + 0.02*g*g
			return 0.01 * g / (math.Sqrt(h) + 1e-3), h, h2
		}},
	{"AdaDelta", Step{Rule: AdaDelta, Rate: 0.5, Momentum: 0.95, Delta: 1e-4},
		func(g, h, h2 float64) (float64, float64, float64) {
			h = 0.95*h + 0.05*g*g
			u := g * math.Sqrt((h2+1e-4)/(h+1e-4))
			return 0.5 * u, h, 0.95*h2 + 0.05*u*u
		}},
	{"Adam", Step{Rule: Adam, Rate: 0.01, Momentum: 0.9, Momentum2: 0.999, Delta: 1e-4},
		func(g, h, h2 float64) (float64, float64, float64) {
			beta2 := float64(float32(0.999)) // 1 - beta2 differs from 0.001 by a part in 10⁵
			h = 0.9*h + 0.1*g
			h2 = beta2*h2 + (1-beta2)*g*g
			return 0.01 * h / (math.Sqrt(h2) + 1e-4), h, h2
		}},
}

// updateGradients are the possible changes of a gradient before the rule, with the decay
// of a weight.
var updateGradients = []struct {
	clip, normalize, decay float32
	l1, clear              bool
}{
	{clip: 1, normalize: 1},
	{clip: 0.5, normalize: 1, decay: 0.25, clear: true},
	{clip: 1, normalize: 0.25, decay: 0.25, l1: true},
}

func TestStep(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, rule := range updateRules {
			for _, n := range append(kerneltest.Lengths, block+3, 2*vec.Block+21) {
				pre := updateGradients[n%len(updateGradients)]
				r := rand.New(rand.NewPCG(6, 1))
				start := rule.u
				start.Clip, start.Normalize, start.Decay, start.L1, start.Clear = pre.clip, pre.normalize, pre.decay, pre.l1, pre.clear
				start.Param, start.Diff, start.History, start.History2 = kerneltest.Guarded(r, n), kerneltest.Guarded(r, n), kerneltest.Guarded(r, n), kerneltest.Guarded(r, n)
				for i := range n {
					start.History[i] *= start.History[i] // averages of squares are not negative
					start.History2[i] *= start.History2[i]
				}
				copied := func() Step {
					u := start
					for _, s := range []*[]float32{&u.Param, &u.Diff, &u.History, &u.History2} {
						*s = append(kerneltest.Guarded(r, n)[:0], *s...)
					}
					return u
				}
				got := copied()
				got.Run(nil)
				for i := range n {
					w, g := float64(start.Param[i]), float64(start.Diff[i])*float64(pre.clip)*float64(pre.normalize)
					if pre.l1 && w != 0 {
						g += math.Copysign(float64(pre.decay), w)
					} else {
						g += float64(pre.decay) * w
					}
					want, wantH, wantH2 := rule.want(g, float64(start.History[i]), float64(start.History2[i]))
					wantDiff := want
					if pre.clear {
						wantDiff = 0
					}
					// 1 - decay in float32 is off by up to 1e-6 of itself for 0.98
					for _, pair := range [][2]float64{
						{float64(got.Param[i]), w - want}, {float64(got.Diff[i]), wantDiff},
						{float64(got.History[i]), wantH}, {float64(got.History2[i]), wantH2},
					} {
						if !(math.Abs(pair[0]-pair[1]) <= 3e-6*(math.Abs(pair[1])+0.3)) {
							t.Fatalf("%s of %d, %+v: element %d is %g, want %g", rule.name, n, pre, i, pair[0], pair[1])
						}
					}
				}
				all := func(u *Step) [][]float32 { return [][]float32{u.Param, u.Diff, u.History, u.History2} }
				for _, s := range all(&got) {
					kerneltest.CheckGuards(t, rule.name, s)
				}
				if n < vec.Block {
					continue
				}
				kerneltest.EachPool(func(threads string, p *parallel.Pool) {
					u := copied()
					u.Run(p)
					for k, s := range all(&u) {
						kerneltest.SameBits(t, fmt.Sprintf("%s slice %d, threads %s", rule.name, k, threads), s, all(&got)[k])
					}
				})
			}
		}
	})
}

func TestAxpySign(t *testing.T) {
	kerneltest.CheckMaps(t, []kerneltest.Map{{
		Name: "axpySign", Inputs: 1,
		Run: func(y, a, _, _ []float32) { axpySign(0.75, a, y) },
		Want: func(y, a, _, _ float64) float64 {
			switch {
			case a > 0:
				return y + 0.75
			case a < 0:
				return y - 0.75
			}
			return y
		},
	}})
}

func TestAllocations(t *testing.T) {
	p := parallel.NewPool(2)
	defer p.Close()
	s := make([]float32, 2*vec.Block)
	u := Step{Rule: Adam, Param: s, Diff: s, History: s, History2: s, Clip: 1, Normalize: 1, Delta: 1}
	kerneltest.AllocatesNothing(t, map[string]func(){"Run": func() { u.Run(p) }})
}
