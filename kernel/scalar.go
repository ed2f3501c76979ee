package kernel

// Sign returns 1 if x is above 0, -1 if it is below, and x itself if it is 0 or NaN.
func Sign(x float32) float32 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}
