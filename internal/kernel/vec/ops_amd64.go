//go:build !noasm

package vec

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*ops{
	cpu.Generic: &generic,
	cpu.AVX2:    &avx2,
	cpu.AVX512:  &avx512,
}

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
	abs:        absAVX2,
	exp:        expAVX2,
	log:        logAVX2,
	sigmoid:    sigmoidAVX2,
	tanh:       tanhAVX2,
	bnll:       bnllAVX2,
	bnllGrad:   bnllGradAVX2,
	elu:        eluAVX2,
	eluGrad:    eluGradAVX2,
	swish:      swishAVX2,
	swishGrad:  swishGradAVX2,
	clip:       clipAVX2,
	clipGrad:   clipGradAVX2,

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
	abs:        absAVX512,
	exp:        expAVX512,
	log:        logAVX512,
	sigmoid:    sigmoidAVX512,
	tanh:       tanhAVX512,
	bnll:       bnllAVX512,
	bnllGrad:   bnllGradAVX512,
	elu:        eluAVX512,
	eluGrad:    eluGradAVX512,
	swish:      swishAVX512,
	swishGrad:  swishGradAVX512,
	clip:       clipAVX512,
	clipGrad:   clipGradAVX512,

	sum:          sumAVX512,
	asum:         asumAVX512,
	sumSq:        sumSqAVX512,
	dot:          dotAVX512,
	max:          maxAVX512,
	anyNonFinite: anyNonFiniteAVX512,
}
