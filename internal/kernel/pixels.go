package kernel

// Pixels sets dst to (x - mean)·scale or, unless means is nil, to
// (x - means)·scale. If mirrored is set, the last number of dst belongs to x[0].
func Pixels(dst []float32, x []byte, means []float32, mean, scale float32, mirrored bool) {
	n := len(dst)
	vecCheck("Pixels", len(x), n)
	whole := n &^ (vec().lanes - 1)
	body, rest := dst[:whole], dst[whole:]
	if mirrored {
		rest, body = dst[:n-whole], dst[n-whole:]
	}
	if means == nil {
		f := vec().pixels
		if mirrored {
			f = vec().pixelsMirrored
		}
		f(body, x, mean, scale)
	} else {
		vecCheck("Pixels", len(means), n)
		f := vec().pixelsMeans
		if mirrored {
			f = vec().pixelsMeansMirrored
		}
		f(body, x, means, scale)
	}
	for i := range rest {
		from := whole + i
		if means != nil {
			mean = means[from]
		}
		to := i
		if mirrored {
			to = len(rest) - 1 - i
		}
		rest[to] = (float32(x[from]) - mean) * scale
	}
}
