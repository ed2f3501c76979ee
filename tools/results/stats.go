package main

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// spread is "mean ± standard deviation" of values, without the latter for one value.
func spread(v []float64) string {
	mean, deviation := meanDeviation(v)
	if len(v) == 1 {
		return fmt.Sprintf("%.2f", mean)
	}
	return fmt.Sprintf("%.2f ± %.2f", mean, deviation)
}

// meanDeviation returns the mean of values and their standard deviation, 0 of one value.
func meanDeviation(v []float64) (mean, deviation float64) {
	if len(v) == 1 {
		return v[0], 0
	}
	return stat.MeanStdDev(v, nil)
}

// values lists each value.
func values(v []float64) string {
	words := make([]string, len(v))
	for i, x := range v {
		words[i] = fmt.Sprintf("%.2f", x)
	}
	return strings.Join(words, ", ")
}

// difference returns the mean of a-b, run by run with the same seed, and half of its 95 %
// interval by Student's distribution. Of one run there is no interval: half is infinite.
func difference(a, b []float64) (mean, half float64) {
	d := make([]float64, len(a))
	for i := range d {
		d[i] = a[i] - b[i]
	}
	if len(d) < 2 {
		return d[0], math.Inf(1)
	}
	mean, deviation := meanDeviation(d)
	n := float64(len(d))
	quantile := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.975)
	return mean, quantile * deviation / math.Sqrt(n)
}

// verdict says what a difference shows.
func verdict(mean, half float64) string {
	switch {
	case mean > half:
		return "better"
	case -mean > half:
		return "worse"
	}
	return "cannot be told apart"
}
