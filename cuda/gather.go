package cuda

var (
	mathGatherRows  = Math.Kernel("math_gather_rows")
	mathRowChains   = Math.Kernel("math_row_chains")
	mathScatterRows = Math.Kernel("math_scatter_rows")
)

// GatherRows sets row i of y to row index[i] of x, or to zeros where index[i] is
// negative. y is (n,width), x has rows of width elements too, index is n ints.
func (d *Device) GatherRows(n, width int, x, index, y Ptr) {
	if n == 0 || width == 0 {
		return
	}
	mul, shift := Divisor(width)
	d.Launch(mathGatherRows, Each(n*width), x, index, y, width, n*width, mul, shift)
}

// ScatterAddRows adds row i of x to row index[i] of y, for each i in order, unless
// index[i] is negative: the gradient of GatherRows. x is (n,width), y has rows of width
// elements too, index is n ints. It uses Scratch.
func (d *Device) ScatterAddRows(n, width int, x, index, y Ptr) {
	if n == 0 || width == 0 {
		return
	}
	chains := d.Scratch(2 * n)
	d.Launch(mathRowChains, Each(n), index, chains, n)
	mul, shift := Divisor(width)
	d.Launch(mathScatterRows, Each(n*width), x, index, chains, y, width, n*width, mul, shift)
}
