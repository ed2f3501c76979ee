package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// updateRules are the formulas of Caffe's src/caffe/solvers in float64. Each
// takes a gradient and the histories and returns the update and new histories.
var updateRules = []struct {
	name string
	run  func(p *Pool, g, h, h2 []float32)
	want func(g, h, h2 float64) (float64, float64, float64)
}{
	{"SGD",
		func(p *Pool, g, h, _ []float32) { SGDUpdate(p, g, h, 0.01, 0.9) },
		func(g, h, h2 float64) (float64, float64, float64) {
			h = 0.9*h + 0.01*g
			return h, h, h2
		}},
	{"Nesterov",
		func(p *Pool, g, h, _ []float32) { NesterovUpdate(p, g, h, 0.01, 0.9) },
		func(g, h, h2 float64) (float64, float64, float64) {
			next := 0.9*h + 0.01*g
			return 1.9*next - 0.9*h, next, h2
		}},
	{"AdaGrad",
		func(p *Pool, g, h, _ []float32) { AdaGradUpdate(p, g, h, 0.01, 1e-3) },
		func(g, h, h2 float64) (float64, float64, float64) {
			h += g * g
			return 0.01 * g / (math.Sqrt(h) + 1e-3), h, h2
		}},
	{"RMSProp",
		func(p *Pool, g, h, _ []float32) { RMSPropUpdate(p, g, h, 0.01, 0.98, 1e-3) },
		func(g, h, h2 float64) (float64, float64, float64) {
			h = 0.98*h + 0.02*g*g
			return 0.01 * g / (math.Sqrt(h) + 1e-3), h, h2
		}},
	{"AdaDelta",
		func(p *Pool, g, h, h2 []float32) { AdaDeltaUpdate(p, g, h, h2, 0.5, 0.95, 1e-4) },
		func(g, h, h2 float64) (float64, float64, float64) {
			h = 0.95*h + 0.05*g*g
			u := g * math.Sqrt((h2+1e-4)/(h+1e-4))
			return 0.5 * u, h, 0.95*h2 + 0.05*u*u
		}},
	{"Adam",
		func(p *Pool, g, h, h2 []float32) { AdamUpdate(p, g, h, h2, 0.01, 0.9, 0.999, 1e-4) },
		func(g, h, h2 float64) (float64, float64, float64) {
			beta2 := float64(float32(0.999)) // 1 - beta2 differs from 0.001 by a part in 10⁵
			h = 0.9*h + 0.1*g
			h2 = beta2*h2 + (1-beta2)*g*g
			return 0.01 * h / (math.Sqrt(h2) + 1e-4), h, h2
		}},
}

func TestUpdateRules(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, rule := range updateRules {
			for _, n := range append(vecLengths, 2*vecBlock+21) {
				r := rand.New(rand.NewPCG(6, 1))
				g, h, h2 := guarded(r, n), guarded(r, n), guarded(r, n)
				for i := range n {
					h[i] *= h[i] // averages of squares are not negative
					h2[i] *= h2[i]
				}
				g0, h0, h20 := slices.Clone(g), slices.Clone(h), slices.Clone(h2)
				rule.run(nil, g, h, h2)
				for i := range n {
					want, wantH, wantH2 := rule.want(float64(g0[i]), float64(h0[i]), float64(h20[i]))
					// 1 - decay in float32 is off by up to 1e-6 of itself for 0.98
					for _, pair := range [][2]float64{{float64(g[i]), want}, {float64(h[i]), wantH}, {float64(h2[i]), wantH2}} {
						if !(math.Abs(pair[0]-pair[1]) <= 3e-6*(math.Abs(pair[1])+0.1)) {
							t.Fatalf("%s of %d: element %d is %g, want %g", rule.name, n, i, pair[0], pair[1])
						}
					}
				}
				for _, s := range [][]float32{g, h, h2} {
					checkGuards(t, rule.name, s)
				}
				if n < vecBlock {
					continue
				}
				eachPool(func(threads string, p *Pool) {
					g1, h1, h21 := slices.Clone(g0), slices.Clone(h0), slices.Clone(h20)
					rule.run(p, g1, h1, h21)
					sameBits(t, rule.name+" diff, threads "+threads, g1, g)
					sameBits(t, rule.name+" history, threads "+threads, h1, h)
					sameBits(t, rule.name+" history 2, threads "+threads, h21, h2)
				})
			}
		}
	})
}
