package cuda

var (
	mathCopyRows      = Math.Kernel("math_copy_rows")
	mathNormalizeRows = Math.Kernel("math_normalize_rows")
)

// CopyRows copies rows of width elements from x to y. The rows start ldx elements
// apart in x and ldy apart in y.
func (d *Device) CopyRows(rows, width int, x Ptr, ldx int, y Ptr, ldy int) {
	if rows == 0 || width == 0 {
		return
	}
	mul, shift := Divisor(width)
	d.Launch(mathCopyRows, Each(rows*width), x, ldx, y, ldy, width, rows*width, mul, shift)
}

// NormalizeRows scales each row of x, of shape (rows,width), to length 1: y is x /
// √(Σx² + eps), or 0 where the root is below 2⁻¹²⁶. y may be x.
func (d *Device) NormalizeRows(rows, width int, eps float64, x, y Ptr) {
	d.Launch(mathNormalizeRows, Blocks(rows, 1, 1), x, eps, y, width)
}
