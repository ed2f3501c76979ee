package kernel

//go:generate go run -C _asm ./gemm -out ../gemm_amd64.s -stubs ../gemm_stubs_amd64.go -pkg kernel
//go:generate go run -C _asm ./winograd -out ../winograd_amd64.s -stubs ../winograd_stubs_amd64.go -pkg kernel
