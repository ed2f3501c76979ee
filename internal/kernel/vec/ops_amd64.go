//go:build !noasm

package vec

var avx2 = ops{
	fill:       fillAVX2,
	axpy:       axpyAVX2,
	axpby:      axpbyAVX2,
	scale:      scaleAVX2,
	addScalar:  addScalarAVX2,
	add:        addAVX2,
	sub:        subAVX2,
	mul:        mulAVX2,
	div:        divAVX2,
	maximum:    maximumAVX2,
	mulAdd:     mulAddAVX2,
	scaleShift: scaleShiftAVX2,
	relu:       reluAVX2,
	reluGrad:   reluGradAVX2,
	exp:        expAVX2,
	sigmoid:    sigmoidAVX2,
	tanh:       tanhAVX2,

	sum:          sumAVX2,
	asum:         asumAVX2,
	sumSq:        sumSqAVX2,
	dot:          dotAVX2,
	max:          maxAVX2,
	anyNonFinite: anyNonFiniteAVX2,
}

var avx512 = ops{
	fill:       fillAVX512,
	axpy:       axpyAVX512,
	axpby:      axpbyAVX512,
	scale:      scaleAVX512,
	addScalar:  addScalarAVX512,
	add:        addAVX512,
	sub:        subAVX512,
	mul:        mulAVX512,
	div:        divAVX512,
	maximum:    maximumAVX512,
	mulAdd:     mulAddAVX512,
	scaleShift: scaleShiftAVX512,
	relu:       reluAVX512,
	reluGrad:   reluGradAVX512,
	exp:        expAVX512,
	sigmoid:    sigmoidAVX512,
	tanh:       tanhAVX512,

	sum:          sumAVX512,
	asum:         asumAVX512,
	sumSq:        sumSqAVX512,
	dot:          dotAVX512,
	max:          maxAVX512,
	anyNonFinite: anyNonFiniteAVX512,
}
