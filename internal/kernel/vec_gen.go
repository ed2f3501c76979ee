package kernel

//go:generate go run -C _asm ./vec -out ../vec_amd64.s -stubs ../vec_stubs_amd64.go -pkg kernel
