//go:build !noasm

package vec

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*ops{
	cpu.Generic: &generic,
	cpu.NEON:    &neon,
}

var neon = ops{
	fill:       fillNEON,
	axpy:       axpyNEON,
	axpby:      axpbyNEON,
	scale:      scaleNEON,
	addScalar:  addScalarNEON,
	add:        addNEON,
	sub:        subNEON,
	mul:        mulNEON,
	div:        divNEON,
	maximum:    maximumNEON,
	mulAdd:     mulAddNEON,
	scaleShift: scaleShiftNEON,
	relu:       reluNEON,
	reluGrad:   reluGradNEON,
	abs:        absNEON,
	exp:        expNEON,
	log:        logNEON,
	sigmoid:    sigmoidNEON,
	tanh:       tanhNEON,
	bnll:       bnllNEON,
	bnllGrad:   bnllGradNEON,
	elu:        eluNEON,
	eluGrad:    eluGradNEON,
	swish:      swishNEON,
	swishGrad:  swishGradNEON,
	clip:       clipNEON,
	clipGrad:   clipGradNEON,

	sum:          sumNEON,
	asum:         asumNEON,
	sumSq:        sumSqNEON,
	dot:          dotNEON,
	max:          maxNEON,
	anyNonFinite: anyNonFiniteNEON,
}
