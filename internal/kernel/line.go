package kernel

// A lineFunc is a micro-kernel of which the vectors are parts of lines of x, in
// place, and the rows are coefficients. For the vectors v of some blocks, whose
// numbers start at from[v] in x and to[v] in c, it computes
//
//	c[i*ldc+to[v]+l] = init[i] + Σₚ w[off[2p+1]+i] * x[from[v]+off[2p]+l]
//
// for each of its rows i and the lanes l; a nil init stands for the numbers that
// are in c. Where tileFunc wants its vectors packed and turns the result around,
// this one reads and writes whatever lies in lines: the pixels of a plane, the
// numbers of a row, the images of a batch. Vectors may overlap: what is computed
// twice is the same.
type lineFunc func(blocks, k int, x *float32, from, off *int32, w, init, c *float32, to *int32, ldc int)
