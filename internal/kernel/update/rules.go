package update

import "math"

// rules is one implementation of the rules. Each replaces the gradient in diff by the
// amount to subtract from the weights.
type rules struct {
	sgd      func(diff, history []float32, rate, momentum float32)
	nesterov func(diff, history []float32, rate, momentum float32)
	adagrad  func(diff, history []float32, rate, delta float32)
	rmsprop  func(diff, history []float32, rate, decay, delta float32)
	adadelta func(diff, gradients, updates []float32, rate, momentum, delta float32)
	adam     func(diff, m, v []float32, rate, beta1, beta2, epsHat float32)
}

// generic is the implementation in plain Go.
var generic = rules{sgdGeneric, nesterovGeneric, adagradGeneric, rmspropGeneric, adadeltaGeneric, adamGeneric}

func sgdGeneric(diff, history []float32, rate, momentum float32) {
	for i, g := range diff {
		h := float32(rate*g) + float32(momentum*history[i])
		history[i], diff[i] = h, h
	}
}

func nesterovGeneric(diff, history []float32, rate, momentum float32) {
	for i, g := range diff {
		old := history[i]
		h := float32(rate*g) + float32(momentum*old)
		history[i] = h
		diff[i] = float32((1+momentum)*h) - float32(momentum*old)
	}
}

func adagradGeneric(diff, history []float32, rate, delta float32) {
	for i, g := range diff {
		h := history[i] + float32(g*g)
		history[i] = h
		diff[i] = rate * (g / (sqrt32(h) + delta))
	}
}

func rmspropGeneric(diff, history []float32, rate, decay, delta float32) {
	for i, g := range diff {
		h := float32((1-decay)*float32(g*g)) + float32(decay*history[i])
		history[i] = h
		diff[i] = rate * (g / (sqrt32(h) + delta))
	}
}

func adadeltaGeneric(diff, gradients, updates []float32, rate, momentum, delta float32) {
	for i, g := range diff {
		h := float32((1-momentum)*float32(g*g)) + float32(momentum*gradients[i])
		gradients[i] = h
		u := g * sqrt32((delta+updates[i])/(delta+h))
		updates[i] = float32((1-momentum)*float32(u*u)) + float32(momentum*updates[i])
		diff[i] = rate * u
	}
}

func adamGeneric(diff, m, v []float32, rate, beta1, beta2, epsHat float32) {
	for i, g := range diff {
		mi := float32((1-beta1)*g) + float32(beta1*m[i])
		vi := float32((1-beta2)*float32(g*g)) + float32(beta2*v[i])
		m[i], v[i] = mi, vi
		diff[i] = rate * (mi / (sqrt32(vi) + epsHat))
	}
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// axpySign adds alpha times the sign of x to y. A NaN counts as 0, as in
// Caffe's caffe_sign.
func axpySign(alpha float32, x, y []float32) {
	for i, v := range x {
		switch {
		case v > 0:
			y[i] += alpha
		case v < 0:
			y[i] -= alpha
		}
	}
}
