package conv

import "github.com/gocaffe/gocaffe/internal/kernel/gemm"

// denseSums computes the sums of a strip of channels for the pixels of a piece.
type denseSums struct {
	*dense
	densePiece
	width int       // the pixels, with those that fill the last vector
	buf   []float32 // a panel or, if the pixels are spread, the sums of strips

	first, rows   int // of the strip
	k             int // channels of the source
	a, next, bias *float32
	step          int
	add           bool
	sums          []float32 // of the strip, if they are spread
}

// size is the number of elements of buf.
func (s *denseSums) size() int {
	switch {
	case !s.spread:
		return s.micro.BlockRows() * s.micro.BlockPanel()
	case s.channels <= denseDepth: // a strip is complete at once
		return s.micro.BlockRows()*s.width + pairLanes
	}
	return s.dstChannels*s.width + pairLanes
}

// begin begins the sums of strip i over n channels from k on. The caller sets a, next and step.
func (s *denseSums) begin(i, k, n int) {
	s.first, s.rows = s.strips.Rows(i)
	s.k, s.add, s.bias = n, k > 0, nil
	if k == 0 && s.dense.bias != nil {
		s.bias = &s.dense.bias[s.axis%s.geometry.Group*s.dstChannels+s.first]
	}
	if s.spread {
		s.sums = s.buf
		if s.channels > denseDepth {
			s.sums = s.buf[s.first*s.width:]
		}
	}
}

// block multiplies the panel b, whose first pixel is q, by the strip. Results that do not fill
// vectors of one plane are computed in buf.
func (s *denseSums) block(b *float32, q int) {
	cols := min(s.micro.BlockPanel(), s.to-q)
	w := gemm.RoundUp(cols, s.micro.Lanes)
	c, ldc := s.buf, w
	plane, pixel, n := s.place(s.densePiece, q)
	inPlace := n >= w
	switch {
	case s.spread:
		c, ldc = s.sums[q-s.from:], s.width
	case inPlace:
		c, ldc = s.dst[(plane*s.dstChannels+s.first)*s.dstSize+pixel:], s.dstSize
	case s.add:
		s.edges(q, cols, func(y, edge []float32, n int) { s.micro.CopyTo(s.rows, n, y, s.dstSize, edge, w) })
	}
	s.micro.Block(s.rows, w)(s.k, s.a, b, s.next, s.step, s.bias, &c[0], ldc, s.add)
	if !s.spread && !inPlace {
		s.edges(q, cols, func(y, edge []float32, n int) { s.micro.CopyTo(s.rows, n, edge, w, y, s.dstSize) })
	}
}

// edges calls f for each plane that a panel has pixels of: with their place in the result, their
// place in buf, and their number.
func (s *denseSums) edges(q, cols int, f func(y, edge []float32, n int)) {
	for i := 0; i < cols; {
		plane, pixel, n := s.place(s.densePiece, q+i)
		n = min(n, cols-i)
		f(s.dst[(plane*s.dstChannels+s.first)*s.dstSize+pixel:], s.buf[i:], n)
		i += n
	}
}

// finish spreads the complete sums of a strip, or applies the epilogue to them.
func (s *denseSums) finish() {
	if !s.spread && s.then.empty() {
		return
	}
	for q := s.from; q < s.to; {
		plane, pixel, n := s.place(s.densePiece, q)
		at := (plane*s.dstChannels + s.first) * s.dstSize
		if s.spread {
			s.spreadPixels(q, at, pixel, n)
		} else {
			s.product.finish(s.axis%s.geometry.Group*s.dstChannels+s.first, s.rows, at+pixel, n)
		}
		q += n
	}
}

// spreadPixels writes n pixels of the planes of the strip, the first of which begins at element
// at of the result, and the zeros that follow each of them. The sums from q on are those of the
// pixels from the given one on.
func (s *denseSums) spreadPixels(q, at, pixel, n int) {
	step := s.geometry.Stride[len(s.geometry.out)-1]
	for r := range s.rows {
		sums, x := s.sums[r*s.width+q-s.from:], s.dst[at+r*s.dstSize:][:s.dstSize]
		for i := 0; i < n; {
			from, line, to := s.strided(pixel + i)
			if line > n-i {
				line = n - i
				to = from + line*step
			}
			putSteps(x[from:to], step, line, sums[i:], s.zeros)
			i += line
		}
	}
}
