package cuda

var (
	mathScaleShift        = Math.Kernel("math_scale_shift")
	mathChannelParts      = Math.Kernel("math_channel_parts")
	mathColumnParts       = Math.Kernel("math_column_parts")
	mathChannelTotal      = Math.Kernel("math_channel_total")
	mathChannelAdd        = Math.Kernel("math_channel_add")
	mathChannelStats      = Math.Kernel("math_channel_stats")
	mathNormalize         = Math.Kernel("math_channel_normalize")
	mathNormalizeSums     = Math.Kernel("math_channel_normalize_sums")
	mathNormalizeBackward = Math.Kernel("math_channel_normalize_backward")
)

// ChannelScaleShift sets y to x scale[channel] + shift[channel]. x and y are
// (n,c,s), scale and shift are (c). Either of scale and shift may be 0 and is then
// left out. y may be x.
func (d *Device) ChannelScaleShift(n, c, s int, x, scale, shift, y Ptr) {
	count := n * c * s
	if count == 0 {
		return
	}
	mulS, shiftS := Divisor(s)
	mulC, shiftC := Divisor(c)
	d.Launch(mathScaleShift, Each(count), x, scale, shift, y, c, count, mulS, shiftS, mulC, shiftC)
}

// ChannelSums sets sums to the sums of a and of a b over each channel, in float64.
// a and b are (n,c,s), sums is (c,2). If b is 0, so is the second sum. It uses
// Scratch.
func (d *Device) ChannelSums(n, c, s int, a, b, sums Ptr) {
	const (
		perBlock  = 16 * Block // elements of a block
		perThread = 64         // and of a thread in the version for a small inner
	)
	rows := n * s
	if c == 0 {
		return
	}
	if s >= 16 || c < 16 {
		per := max(perBlock, (rows+1023)/1024)
		parts := max(1, (rows+per-1)/per)
		mul, shift := Divisor(max(1, s))
		p := d.Scratch(4 * parts * c)
		d.Launch(mathChannelParts, Blocks(c, parts, 1), a, b, p, c, s, rows, per, mul, shift)
		d.Launch(mathChannelTotal, Each(c), p, sums, c, parts)
		return
	}
	per := max(1, perThread/s, (n+1023)/1024)
	parts := max(1, (n+per-1)/per)
	p := d.Scratch(4 * parts * c)
	d.Launch(mathColumnParts, Blocks((c+Block-1)/Block, parts, 1), a, b, p, c, s, n, per)
	d.Launch(mathChannelTotal, Each(c), p, sums, c, parts)
}

// ChannelSum sets sum, of shape (c), to beta sum plus the sum of x, of shape
// (n,c,s), over each channel. If beta is 0, sum is written but not read. It uses
// Scratch.
func (d *Device) ChannelSum(n, c, s int, x Ptr, beta float32, sum Ptr) {
	sums := d.sums(c)
	d.ChannelSums(n, c, s, x, 0, sums)
	d.Launch(mathChannelAdd, Each(c), sums, 0, beta, sum, c)
}

// ChannelDot sets dot, of shape (c), to beta dot plus the sum of a b over each
// channel. a and b are (n,c,s). If beta is 0, dot is written but not read. It uses
// Scratch.
func (d *Device) ChannelDot(n, c, s int, a, b Ptr, beta float32, dot Ptr) {
	sums := d.sums(c)
	d.ChannelSums(n, c, s, a, b, sums)
	d.Launch(mathChannelAdd, Each(c), sums, 1, beta, dot, c)
}

// sums returns memory for the sums of ChannelSums.
func (d *Device) sums(channels int) Ptr { return d.channelSums.of(d, 4*channels) }

// ChannelStats sets mean and variance, of shape (c), to those of each channel of x,
// of shape (n,c,s). The variance is divided by the number of elements. It uses
// Scratch.
func (d *Device) ChannelStats(n, c, s int, x, mean, variance Ptr) {
	sums := d.sums(c)
	d.ChannelSums(n, c, s, x, x, sums)
	d.Launch(mathChannelStats, Each(c), sums, float64(n)*float64(s), mean, variance, c)
}

// ChannelNormalize sets y to (x - mean[channel]) invstd[channel] factor[channel] +
// shift[channel]. x and y are (n,c,s), the others are (c). Either of factor and shift
// may be 0 and is then left out. y may be x.
func (d *Device) ChannelNormalize(n, c, s int, x, mean, invstd, factor, shift, y Ptr) {
	count := n * c * s
	if count == 0 {
		return
	}
	mulS, shiftS := Divisor(s)
	mulC, shiftC := Divisor(c)
	d.Launch(mathNormalize, Each(count), x, mean, invstd, factor, shift, y, c, count, mulS, shiftS, mulC, shiftC)
}

// ChannelNormalizeBackward computes the gradient of ChannelNormalize for the
// statistics of x itself: with xnorm = (x - mean) invstd and the means and sums of each
// channel,
//
//	dx = (dy - mean(dy) - xnorm mean(dy xnorm)) invstd factor
//	dfactor += sum(dy xnorm)        dshift += sum(dy)
//
// x, dy and dx are (n,c,s), the others are (c). factor may be 0 and is then left out;
// each of dx, dfactor and dshift may be 0 and is then not computed. dx may be dy. It
// uses Scratch.
func (d *Device) ChannelNormalizeBackward(n, c, s int, x, mean, invstd, factor, dy, dx, dfactor, dshift Ptr) {
	count := n * c * s
	if count == 0 || dx == 0 && dfactor == 0 && dshift == 0 {
		return
	}
	sums := d.channelSums.of(d, 6*c)
	means := sums.At(4 * c)
	d.ChannelSums(n, c, s, dy, x, sums)
	d.Launch(mathNormalizeSums, Each(c), sums, mean, invstd, float64(n)*float64(s), means, dfactor, dshift, c)
	if dx == 0 {
		return
	}
	mulS, shiftS := Divisor(s)
	mulC, shiftC := Divisor(c)
	d.Launch(mathNormalizeBackward, Each(count), x, mean, invstd, factor, means, dy, dx, c, count, mulS, shiftS, mulC, shiftC)
}
