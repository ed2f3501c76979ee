package neon

import "fmt"

// A Mapping is a loop over slices of one length, that of the first output.
type Mapping struct {
	Name, Signature, Doc string
	In, Out              []string // slices read, slices written
	Scalars              []string // arguments that Body needs in every lane
	Vectors              []string // slices of one vector
	Unroll               int

	// Body computes the outputs from the inputs. scalars are followed by the vectors.
	Body func(f *Func, in, scalars []V) []V
}

// Map writes the function of a Mapping. The elements behind the last whole vector go
// through Body one by one, in the first lane.
func (file *File) Map(m Mapping) {
	file.Func(m.Name+Suffix, m.Signature, m.Doc, func(f *Func) {
		base := map[string]R{}
		var order []R
		for _, name := range append(append([]string{}, m.In...), m.Out...) {
			if base[name] == 0 {
				base[name] = f.Arg(name)
				order = append(order, base[name])
			}
		}
		n := f.Len(m.Out[0])
		var scalars []V
		for _, name := range m.Scalars {
			scalars = append(scalars, f.Broadcast(name))
		}
		for _, name := range m.Vectors {
			scalars = append(scalars, f.Load(f.Arg(name), 0))
		}
		step := func(vectors int) {
			count := max(1, vectors)
			load, store, size := f.Load, f.Store, Bytes
			if vectors == 0 {
				load, store, size = f.LoadOne, f.StoreOne, 4
			}
			for u := range count {
				var in []V
				for _, name := range m.In {
					in = append(in, load(base[name], u*size))
				}
				for i, v := range m.Body(f, in, scalars) {
					store(v, base[m.Out[i]], u*size)
				}
			}
			for _, r := range order {
				f.Inc(count*size, r)
			}
		}
		f.InSteps(n, m.Unroll, step)
		f.Ret()
	})
}

// InSteps writes loops over n elements: of some vectors at a time, of one, and of one
// element, for which step gets 0.
func (f *Func) InSteps(n R, unroll int, step func(vectors int)) {
	counts := []int{unroll, 1}
	if unroll <= 1 {
		counts = counts[1:]
	}
	for _, count := range counts {
		again, end := fmt.Sprintf("by%d", count), fmt.Sprintf("by%dEnd", count)
		f.If(n, "LT", count*Lanes, end)
		f.Label(again)
		step(count)
		f.Inc(-count*Lanes, n)
		f.If(n, "GE", count*Lanes, again)
		f.Label(end)
	}
	f.IfZero(n, "done")
	f.Label("rest")
	step(0)
	f.Count(n, "rest")
	f.Label("done")
}

// A Reduction is a loop that adds in float64. Its sums are vectors of two.
type Reduction struct {
	Name, Signature, Doc string
	In                   []string
	Scalars              []string // arguments that Body needs in every lane
	Results              []string

	// Body returns what is added to each result, or the factors of it, in float32: the
	// lanes behind the end of the slices are 0 in in.
	Body func(f *Func, in, scalars []V) [][]V
}

// Reduce writes the function of a Reduction: each vector is added in two halves.
func (file *File) Reduce(r Reduction) {
	file.Func(r.Name+Suffix, r.Signature, r.Doc, func(f *Func) {
		const unroll = 2
		var base []R
		for _, name := range r.In {
			base = append(base, f.Arg(name))
		}
		n := f.Len(r.In[0])
		var scalars []V
		for _, name := range r.Scalars {
			scalars = append(scalars, f.Broadcast(name))
		}
		var sums [2 * unroll][]V
		for u := range sums {
			for range r.Results {
				sums[u] = append(sums[u], f.Zero())
			}
		}
		f.InSteps(n, unroll, func(vectors int) {
			count := max(1, vectors)
			load, size := f.Load, Bytes
			if vectors == 0 {
				load, size = f.LoadOne, 4
			}
			for u := range count {
				var in []V
				for _, b := range base {
					in = append(in, load(b, u*size))
				}
				terms := r.Body(f, in, scalars)
				for half, widen := range []func(V) V{f.Low, f.High} {
					if vectors == 0 && half == 1 {
						break
					}
					wide := map[V]V{}
					double := func(v V) V {
						if wide[v] == 0 {
							wide[v] = widen(v)
						}
						return wide[v]
					}
					for i, factors := range terms {
						sum := sums[2*u+half][i]
						if len(factors) == 1 {
							f.AddDouble(sum, double(factors[0]))
						} else {
							f.FmaDouble(sum, double(factors[0]), double(factors[1]))
						}
					}
				}
			}
			for _, b := range base {
				f.Inc(count*size, b)
			}
		})
		for i, name := range r.Results {
			f.AddDouble(sums[0][i], sums[1][i])
			f.AddDouble(sums[2][i], sums[3][i])
			f.AddDouble(sums[0][i], sums[2][i])
			f.ReturnDouble(name, f.SumDouble(sums[0][i]))
		}
		f.Ret()
	})
}

// Fold writes a loop over a slice that combines its vectors, and the elements behind
// them in every lane of one, with accumulators.
func (f *Func) Fold(name string, acc []V, step func(acc, v V)) {
	x, n := f.Arg(name), f.Len(name)
	f.InSteps(n, len(acc), func(vectors int) {
		if vectors == 0 {
			step(acc[0], f.Lane(f.LoadOne(x, 0), 0))
			f.Inc(4, x)
			return
		}
		for u := range vectors {
			step(acc[u], f.Load(x, u*Bytes))
		}
		f.Inc(vectors*Bytes, x)
	})
}
