package emsoftmax

import (
	"math"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// diversity is the term of eq. 6 with its weight,
//
//	scale Σᵥ Σ_{u≠v} tr(Kᵥ H Kᵤ H)      Kᵥ = ŴᵥŴᵥᵀ      H = I - 1/k
//
// of V classifiers (k,d), where Ŵ is the normalized W. With C = HŴ, the class
// vectors around their mean, and HH = H, it is
//
//	scale Σᵥ ⟨Cᵥ, Dᵥ⟩      Dᵥ = Σ_{u≠v} Cᵤ Cᵤᵀ Cᵥ = Σ_{u≠v} H Kᵤ H Ŵᵥ
//
// where D is the gradient of eq. 9; the true derivative by Ŵᵥ is 4 Dᵥ.
// Multiplied out from the left, D needs a Gram matrix (k,k) of each classifier;
// from the right, a cross product (d,d) of each pair. The sizes alone decide
// which one is cheaper and used.
type diversity struct {
	scale     float32 // lambda, times hsicScale
	hsicScale float32 // 1, or (k-1)^-2 with option hsic_scale
	normalize string
	exact     bool
	v, k, d   int

	invNorm []float32 // 1/|w| of each class, or of each classifier; 0 for a length of 0
	unit    []float32 // Ŵ (v,k,d)
	c       []float32 // HŴ (v,k,d)
	grad    []float32 // D (v,k,d)
	mean    []float32 // of the class vectors, (d)
	gram    []float32 // CᵥCᵥᵀ (v,k,k), or one CᵤᵀCᵥ (d,d)
	others  []float32 // sum of the Gram matrices of the others, (k,k)

	device diversityDevice
}

// reshape allocates the buffers. Only the first call has an effect, since the
// sizes depend on the weights only.
func (s *diversity) reshape(o options, k, d int, onDevice bool) error {
	if s.v != 0 {
		return nil
	}
	s.v, s.k, s.d = int(o.V), k, d
	s.normalize, s.exact = o.Normalize, o.HSICGradient == "EXACT"
	s.scale, s.hsicScale = o.Lambda, 1
	if o.HSICScale {
		s.scale /= float32(k-1) * float32(k-1)
		s.hsicScale /= float32(k-1) * float32(k-1)
	}
	if onDevice {
		return s.reshapeDevice()
	}
	n := s.v * k * d
	s.invNorm, s.mean = make([]float32, s.v*k), make([]float32, d)
	s.unit, s.c, s.grad = make([]float32, n), make([]float32, n), make([]float32, n)
	if s.crosses() {
		s.gram = make([]float32, d*d)
	} else {
		s.gram, s.others = make([]float32, s.v*k*k), make([]float32, k*k)
	}
	return nil
}

// gramMACs and crossMACs return the number of multiply-adds of the two methods.
func (s *diversity) gramMACs() int64 { return 2 * int64(s.v) * int64(s.k) * int64(s.k) * int64(s.d) }

func (s *diversity) crossMACs() int64 {
	return 3 * int64(s.v) * int64(s.v-1) / 2 * int64(s.d) * int64(s.d) * int64(s.k)
}

func (s *diversity) crosses() bool { return s.crossMACs() < s.gramMACs() }

func (s *diversity) macs() int64 { return min(s.gramMACs(), s.crossMACs()) }

// of returns the part of x that belongs to classifier v.
func (s *diversity) of(x []float32, v int) []float32 {
	size := len(x) / s.v
	return x[v*size : (v+1)*size]
}

// row returns class vector i, counted over all classifiers.
func (s *diversity) row(x []float32, i int) []float32 { return x[i*s.d : (i+1)*s.d] }

// forward returns the term without its scale, and leaves D in grad.
func (s *diversity) forward(w *parallel.Pool, weights []float32) float64 {
	s.normalized(weights)
	for v := range s.v {
		s.center(s.of(s.unit, v), s.of(s.c, v))
	}
	if s.crosses() {
		s.gradCrosses(w)
	} else {
		s.gradGrams(w)
	}
	return kernel.Dot(w, s.c, s.grad)
}

// normalized computes unit and invNorm.
func (s *diversity) normalized(weights []float32) {
	size := s.d // of a part that is divided by one norm
	switch s.normalize {
	case "NONE":
		copy(s.unit, weights)
		return
	case "FROBENIUS":
		size *= s.k
	}
	for i := range len(weights) / size {
		from, to := weights[i*size:(i+1)*size], s.unit[i*size:(i+1)*size]
		s.invNorm[i] = inverse(math.Sqrt(kernel.SumSq(nil, from)))
		kernel.Scale(nil, s.invNorm[i], from, to)
	}
}

// inverse returns 1/norm, or 0 if that is too large for a float32: the vector
// then counts as 0.
func inverse(norm float64) float32 {
	if norm < 0x1p-126 {
		return 0
	}
	return float32(1 / norm)
}

// center sets c to a classifier's class vectors minus their mean.
func (s *diversity) center(unit, c []float32) {
	clear(s.mean)
	for k := range s.k {
		kernel.Axpy(nil, -1/float32(s.k), s.row(unit, k), s.mean)
	}
	for k := range s.k {
		kernel.Add(nil, s.row(unit, k), s.mean, s.row(c, k))
	}
}

// gradGrams computes D from the Gram matrices.
func (s *diversity) gradGrams(w *parallel.Pool) {
	for v := range s.v {
		c := s.of(s.c, v)
		kernel.Gemm(w, false, true, s.k, s.k, s.d, 1, c, s.d, c, s.d, 0, s.of(s.gram, v), s.k)
	}
	for v := range s.v {
		clear(s.others)
		for u := range s.v {
			if u != v {
				kernel.Axpy(nil, 1, s.of(s.gram, u), s.others)
			}
		}
		kernel.Gemm(w, false, false, s.k, s.d, s.k, 1, s.others, s.k, s.of(s.c, v), s.d, 0, s.of(s.grad, v), s.d)
	}
}

// gradCrosses computes D from the cross products of the pairs.
func (s *diversity) gradCrosses(w *parallel.Pool) {
	clear(s.grad)
	for v := range s.v {
		for u := range v {
			cu, cv := s.of(s.c, u), s.of(s.c, v)
			kernel.Gemm(w, true, false, s.d, s.d, s.k, 1, cu, s.d, cv, s.d, 0, s.gram, s.d)
			kernel.Gemm(w, false, false, s.k, s.d, s.d, 1, cu, s.d, s.gram, s.d, 1, s.of(s.grad, v), s.d)
			kernel.Gemm(w, false, true, s.k, s.d, s.d, 1, cv, s.d, s.gram, s.d, 1, s.of(s.grad, u), s.d)
		}
	}
}

// backward adds the term's gradient, times lossWeight, to that of the weights.
func (s *diversity) backward(w *parallel.Pool, lossWeight float32, dw []float32) {
	scale := lossWeight * s.scale
	if s.exact {
		scale *= 4
	}
	if s.normalize == "NONE" {
		kernel.Axpy(w, scale, s.grad, dw)
		return
	}
	size := s.d
	if s.normalize == "FROBENIUS" {
		size *= s.k
	}
	for i := range len(dw) / size {
		inv := s.invNorm[i]
		if inv == 0 {
			continue
		}
		grad, to := s.grad[i*size:(i+1)*size], dw[i*size:(i+1)*size]
		if !s.exact {
			kernel.Axpy(nil, scale, grad, to)
			continue
		}
		// Through ŵ = w/|w|: the part orthogonal to ŵ, divided by |w|.
		unit := s.unit[i*size : (i+1)*size]
		along := float32(kernel.Dot(nil, unit, grad))
		kernel.Axpy(nil, scale*inv, grad, to)
		kernel.Axpy(nil, -scale*inv*along, unit, to)
	}
}
