package neon

// The instructions of general registers, memory and branches.

// Arg returns a parameter that is a number or a pointer, or the address of a slice.
func (f *Func) Arg(name string) R {
	r := f.NewR()
	f.ArgTo(name, r)
	return r
}

// ArgTo loads what Arg returns.
func (f *Func) ArgTo(name string, r R) {
	kind, part := f.sig.types[name], ""
	if len(kind) > 2 && kind[:2] == "[]" {
		part = "_base"
	}
	move := "MOVD"
	switch kind {
	case "bool":
		move = "MOVBU"
	case "uint32":
		move = "MOVWU"
	}
	f.op(move+" "+f.fp(name, part)+", %s", out(r))
}

// Len returns the length of a slice.
func (f *Func) Len(name string) R {
	r := f.NewR()
	f.op("MOVD "+f.fp(name, "_len")+", %s", out(r))
	return r
}

// Scaled returns a parameter, a number of float32, as a number of bytes.
func (f *Func) Scaled(name string) R {
	r := f.Arg(name)
	f.op("LSL $2, %s, %s", in(r), out(r))
	return r
}

// Broadcast returns a vector with a float32 or uint32 parameter in every lane.
func (f *Func) Broadcast(name string) V {
	v := f.New()
	f.op("FMOVS "+f.fp(name, "")+", %s", out(v.f()))
	f.op("VDUP %s, %s", in(v.as("V%d.S[0]")), out(v.s4()))
	return v
}

// Move sets to to from.
func (f *Func) Move(from, to R) { f.move("MOVD %s, %s", in(from), out(to)) }

func (f *Func) move(format string, from, to operand) {
	f.code = append(f.code, inst{format: format, args: []any{from, to}, move: true})
}

// CopyR returns a copy of a general register.
func (f *Func) CopyR(from R) R {
	r := f.NewR()
	f.Move(from, r)
	return r
}

// Set sets r to a number.
func (f *Func) Set(n int, r R) { f.op("MOVD $%d, %s", n, out(r)) }

// Inc adds n to r.
func (f *Func) Inc(n int, r R) {
	switch {
	case n > 0:
		f.op("ADD $%d, %s, %s", n, in(r), out(r))
	case n < 0:
		f.op("SUB $%d, %s, %s", -n, in(r), out(r))
	}
}

// AddR adds n to r.
func (f *Func) AddR(n, r R) { f.op("ADD %s, %s, %s", in(n), in(r), out(r)) }

// AddShifted adds n<<shift to r.
func (f *Func) AddShifted(n R, shift int, r R) {
	f.op("ADD %s<<%d, %s, %s", in(n), shift, in(r), out(r))
}

// Upper returns the upper half of r.
func (f *Func) Upper(r R) R {
	upper := f.NewR()
	f.op("LSR $32, %s, %s", in(r), out(upper))
	return upper
}

// SubR subtracts n from r.
func (f *Func) SubR(n, r R) { f.op("SUB %s, %s, %s", in(n), in(r), out(r)) }

// At returns base + index<<shift.
func (f *Func) At(base, index R, shift int) R {
	r := f.NewR()
	f.op("ADD %s<<%d, %s, %s", in(index), shift, in(base), out(r))
	return r
}

// Times returns n·r.
func (f *Func) Times(n int, r R) R {
	product := f.NewR()
	f.op("MOVD $%d, %s", n, out(product))
	f.op("MUL %s, %s, %s", in(r), in(product), out(product))
	return product
}

// Offset returns element i of a table of int32.
func (f *Func) Offset(table R, i int) R {
	r := f.NewR()
	f.op("MOVW %d(%s), %s", 4*i, in(table), out(r))
	return r
}

// NextOffset returns the int32 at table, which it moves on.
func (f *Func) NextOffset(table R) R {
	r := f.NewR()
	f.op("MOVW.P 4(%s), %s", inout(table), out(r))
	return r
}

// Label marks a place of the function.
func (f *Func) Label(name string) { f.code = append(f.code, inst{label: name}) }

// Jump goes to a label.
func (f *Func) Jump(label string) {
	f.code = append(f.code, inst{format: "B %s", args: []any{label}, target: label, ends: true})
}

// If goes to a label if r compared with n is as the condition says: LT, GE, ...
func (f *Func) If(r R, condition string, n int, label string) {
	f.op("CMP $%d, %s", n, in(r))
	f.branch("B"+condition, label)
}

// IfR is If for two registers.
func (f *Func) IfR(r R, condition string, n R, label string) {
	f.op("CMP %s, %s", in(n), in(r))
	f.branch("B"+condition, label)
}

func (f *Func) branch(op, label string) {
	f.code = append(f.code, inst{format: op + " %s", args: []any{label}, target: label})
}

// IfZero goes to a label if r is 0.
func (f *Func) IfZero(r R, label string) {
	f.code = append(f.code, inst{format: "CBZ %s, %s", args: []any{in(r), label}, target: label})
}

// Count subtracts 1 from r and goes to a label unless that gives 0.
func (f *Func) Count(r R, label string) {
	f.op("SUBS $1, %s, %s", in(r), out(r))
	f.branch("BNE", label)
}

// Ret returns from the function.
func (f *Func) Ret() { f.code = append(f.code, inst{format: "RET", ends: true}) }

// Prefetch brings the memory at an address into the first (1) or second cache.
func (f *Func) Prefetch(base R, offset, level int) {
	f.op("PRFM %d(%s), PLDL%dKEEP", offset, in(base), level)
}

// Load returns the vector at an address.
func (f *Func) Load(base R, offset int) V {
	v := f.New()
	f.LoadTo(base, offset, v)
	return v
}

// LoadTo loads the vector at an address.
func (f *Func) LoadTo(base R, offset int, v V) {
	f.op("FMOVQ %d(%s), %s", offset, in(base), out(v.f()))
}

// LoadOne returns a vector with the float32 at an address in the first lane and zeros in
// the others.
func (f *Func) LoadOne(base R, offset int) V {
	v := f.New()
	f.op("FMOVS %d(%s), %s", offset, in(base), out(v.f()))
	return v
}

// LoadAt returns a vector with the float32 at base + 4·index in the first lane.
func (f *Func) LoadAt(base, index R) V {
	v := f.New()
	f.op("FMOVS (%s)(%s<<2), %s", in(base), in(index), out(v.f()))
	return v
}

// Next returns the n float32 at base, in the lanes of as few vectors as hold them, and
// moves base behind them. The last lanes of the last vector are 0.
func (f *Func) Next(base R, n int) (list []V) {
	for n > 0 {
		a, b := f.New(), f.New()
		list = append(list, a)
		switch {
		case n >= 2*Lanes:
			f.op("FLDPQ.P %d(%s), (%s, %s)", 2*Bytes, inout(base), out(a.f()), out(b.f()))
			list = append(list, b)
			n -= 2 * Lanes
		case n >= Lanes:
			f.op("FMOVQ.P %d(%s), %s", Bytes, inout(base), out(a.f()))
			n -= Lanes
		case n == 1:
			f.op("FMOVS.P 4(%s), %s", inout(base), out(a.f()))
			n--
		default:
			f.op("FMOVD.P 8(%s), %s", inout(base), out(a.f()))
			if n == 3 {
				f.op("FMOVS.P 4(%s), %s", inout(base), out(b.f()))
				f.op("VMOV %s, %s", in(b.as("V%d.S[0]")), inout(a.as("V%d.S[2]")))
			}
			n = 0
		}
	}
	return list
}

// CopyPair copies two vectors from one address to another, and moves both behind them.
func (f *Func) CopyPair(from, to R) {
	a, b := f.New(), f.New()
	f.op("FLDPQ.P %d(%s), (%s, %s)", 2*Bytes, inout(from), out(a.f()), out(b.f()))
	f.op("FSTPQ.P (%s, %s), %d(%s)", in(a.f()), in(b.f()), 2*Bytes, inout(to))
}

// Store stores a vector.
func (f *Func) Store(v V, base R, offset int) {
	f.op("FMOVQ %s, %d(%s)", in(v.f()), offset, in(base))
}

// NextBytes returns eight bytes as the words of two vectors, and moves the address behind
// them.
func (f *Func) NextBytes(base R) [2]V {
	b, lo, hi := f.New(), f.New(), f.New()
	f.op("FMOVD.P 8(%s), %s", inout(base), out(b.f()))
	f.op("VUXTL %s, %s", in(b.as("V%d.B8")), out(b.as("V%d.H8")))
	f.op("VUXTL %s, %s", in(b.as("V%d.H4")), out(lo.s4()))
	f.op("VUXTL2 %s, %s", in(b.as("V%d.H8")), out(hi.s4()))
	return [2]V{lo, hi}
}

// StoreNext stores a vector and moves the address behind it.
func (f *Func) StoreNext(v V, at R) { f.op("FMOVQ.P %s, %d(%s)", in(v.f()), Bytes, inout(at)) }

// StoreOne stores the first lane of a vector.
func (f *Func) StoreOne(v V, base R, offset int) {
	f.op("FMOVS %s, %d(%s)", in(v.f()), offset, in(base))
}

// LoadDouble and StoreDouble are LoadOne and StoreOne for a float64.
func (f *Func) LoadDouble(base R, offset int) V {
	v := f.New()
	f.op("FMOVD %d(%s), %s", offset, in(base), out(v.f()))
	return v
}

func (f *Func) StoreDouble(v V, base R, offset int) {
	f.op("FMOVD %s, %d(%s)", in(v.f()), offset, in(base))
}

// Return stores the first float32 of v as a result.
func (f *Func) Return(name string, v V) { f.op("FMOVS %s, "+f.fp(name, ""), in(v.f())) }

// ReturnDouble stores the first float64 of v as a result.
func (f *Func) ReturnDouble(name string, v V) { f.op("FMOVD %s, "+f.fp(name, ""), in(v.f())) }

// ReturnUnordered sets a bool result to whether the first float32 of v is NaN.
func (f *Func) ReturnUnordered(name string, v V) {
	r := f.NewR()
	f.op("FCMPS %s, %s", in(v.f()), in(v.f()))
	f.op("CSET VS, %s", out(r))
	f.op("MOVB %s, "+f.fp(name, ""), in(r))
}
