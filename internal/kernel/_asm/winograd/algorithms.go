package winograd

// A Transform is a step along the columns, and one along the rows of what that
// gives. Parts are the same step in pieces, whose results fit into registers.
type Transform[V any] struct {
	From, To int // elements along an axis
	Step     Step[V]
	Parts    []Part[V]
}

// A Part of a step gives some of the results.
type Part[V any] struct {
	Rows []int
	Step Step[V]
}

// An Algorithm is F(mxm,rxr) with its transforms. F(2x2,5x5) has no Input: it is
// that of F(4x4,3x3).
type Algorithm[V any] struct {
	Name, Label                             string // of its functions, in comments
	Input, Grad, Output, Filter, FilterGrad Transform[V]
}

// Algorithms returns all algorithms.
func Algorithms[V any]() []Algorithm[V] {
	return []Algorithm[V]{
		{
			Name: "2", Label: "F(2x2,3x3)",
			Input:      Transform[V]{From: 4, To: 4, Step: input4[V]},
			Grad:       Transform[V]{From: 2, To: 4, Step: grad4[V]},
			Output:     Transform[V]{From: 4, To: 2, Step: output4[V]},
			Filter:     Transform[V]{From: 3, To: 4, Step: filter4[V]},
			FilterGrad: Transform[V]{From: 4, To: 3, Step: filterGrad4[V]},
		},
		{
			Name: "4", Label: "F(4x4,3x3)",
			Input: Transform[V]{From: 6, To: 6, Step: input6[V], Parts: []Part[V]{
				{[]int{1, 2, 3, 4}, input6Middle[V]},
				{[]int{0, 5}, input6Ends[V]},
			}},
			Grad:       Transform[V]{From: 4, To: 6, Step: grad6[V]},
			Output:     Transform[V]{From: 6, To: 4, Step: output6[V]},
			Filter:     Transform[V]{From: 3, To: 6, Step: filter6[V]},
			FilterGrad: Transform[V]{From: 6, To: 3, Step: filterGrad6[V]},
		},
		{
			Name: "5x5", Label: "F(2x2,5x5)",
			Grad:   Transform[V]{From: 2, To: 6, Step: grad5x5[V]},
			Output: Transform[V]{From: 6, To: 2, Step: output5x5[V]},
			Filter: Transform[V]{From: 5, To: 6, Step: filter5x5[V], Parts: []Part[V]{
				{[]int{1, 2, 3, 4}, filter5x5Middle[V]},
				{[]int{0, 5}, filter5x5Ends[V]},
			}},
			FilterGrad: Transform[V]{From: 6, To: 5, Step: filterGrad5x5[V], Parts: []Part[V]{
				{[]int{0, 2, 4}, filterGrad5x5Even[V]},
				{[]int{1, 3}, filterGrad5x5Odd[V]},
			}},
		},
	}
}

// Apply writes a transform. load returns element (i,j) of its argument, column by
// column; store takes element (i,j) of the result. What the first step gives is kept in
// registers, or with put where get finds it.
func Apply[V any](s Arithmetic[V], t Transform[V], inRegisters bool, put func(at int, r V), get func(at int) V, load func(i, j int) V, store func(i, j int, r V)) {
	parts := t.Parts
	if parts == nil || !inRegisters {
		all := make([]int, t.To)
		for i := range all {
			all[i] = i
		}
		parts = []Part[V]{{all, t.Step}}
	}
	for _, p := range parts {
		held := make([][]V, t.To)
		for i := range held {
			held[i] = make([]V, t.From)
		}
		for j := range t.From {
			p.Step(s, cached(func(i int) V { return load(i, j) }), func(i int, r V) {
				if inRegisters {
					held[i][j] = r
				} else {
					put(i*t.From+j, r)
				}
			})
		}
		for _, i := range p.Rows {
			in := func(j int) V { return held[i][j] }
			if !inRegisters {
				in = cached(func(j int) V { return get(i*t.From + j) })
			}
			t.Step(s, in, func(j int, r V) { store(i, j, r) })
		}
	}
}

// cached calls f once for each i.
func cached[V any](f func(i int) V) func(i int) V {
	known := map[int]V{}
	return func(i int) V {
		if _, ok := known[i]; !ok {
			known[i] = f(i)
		}
		return known[i]
	}
}
