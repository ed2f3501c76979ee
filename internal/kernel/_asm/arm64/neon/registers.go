package neon

import (
	"fmt"
	"strings"
)

// V is a vector register and R a general one, by numbers of their own until the
// processor's registers are chosen. 0 is none.
type (
	V int
	R int
)

// A Func is a function in the making.
type Func struct {
	file           *File
	sig            *signature
	code, prologue []inst
	table          R // address of the constants
	hoist          bool
	hoisted        map[[Lanes]uint32]V

	vector []bool // of register i+1
	chosen []int  // the processor's register
}

// New returns a new vector register.
func (f *Func) New() V { return V(f.register(true)) }

// NewR returns a new general register.
func (f *Func) NewR() R { return R(f.register(false)) }

func (f *Func) register(vector bool) int {
	f.vector = append(f.vector, vector)
	return len(f.vector)
}

// An operand is a register of an instruction in the form that the assembler wants.
type operand struct {
	register    int
	form        string
	read, write bool
}

type formed interface{ formed() operand }

func (r R) formed() operand       { return operand{register: int(r), form: "R%d"} }
func (v V) formed() operand       { return operand{register: int(v), form: "V%d.B16"} }
func (o operand) formed() operand { return o }

func (v V) as(form string) operand { return operand{register: int(v), form: form} }
func (v V) f() operand             { return v.as("F%d") }
func (v V) s4() operand            { return v.as("V%d.S4") }

// in, out and inout say what an instruction does with a register.
func in(r formed) operand  { o := r.formed(); o.read = true; return o }
func out(r formed) operand { o := r.formed(); o.write = true; return o }
func inout(r formed) operand {
	o := r.formed()
	o.read, o.write = true, true
	return o
}

// An inst is an instruction or a label.
type inst struct {
	format string
	args   []any
	word   uint32 // the instruction itself, which the assembler does not know,
	shifts []int  // and where in it the numbers of the registers in args are
	label  string // of this place
	target string // label that it may go to
	ends   bool   // it never goes on to the next instruction
	move   bool   // it copies a register, and is left out if both are the same one
}

func (f *Func) inst(format string, args ...any) inst { return inst{format: format, args: args} }

// op appends an instruction.
func (f *Func) op(format string, args ...any) { f.code = append(f.code, f.inst(format, args...)) }

// words appends an instruction that Go's assembler does not know.
func (f *Func) words(word uint32, shifts []int, format string, args ...any) {
	f.code = append(f.code, inst{format: format, args: args, word: word, shifts: shifts})
}

// String returns a line of assembly.
func (i *inst) String(f *Func) string {
	if i.label != "" {
		return i.label + ":\n"
	}
	if i.move && f.chosen[i.args[0].(operand).register-1] == f.chosen[i.args[1].(operand).register-1] {
		return ""
	}
	args := make([]any, len(i.args))
	word, n := i.word, 0
	for k, a := range i.args {
		args[k] = a
		if o, ok := a.(operand); ok {
			r := f.chosen[o.register-1]
			args[k] = fmt.Sprintf(o.form, r)
			if n < len(i.shifts) {
				word |= uint32(r) << i.shifts[n]
				n++
			}
		}
	}
	text := fmt.Sprintf(i.format, args...)
	if i.word != 0 {
		return fmt.Sprintf("\tWORD $0x%08x // %s\n", word, strings.ToLower(text))
	}
	return "\t" + text + "\n"
}

// A set is a set of registers.
type set []uint64

func (s set) has(r int) bool { return s[r/64]&(1<<(r%64)) != 0 }
func (s set) add(r int)      { s[r/64] |= 1 << (r % 64) }
func (s set) remove(r int)   { s[r/64] &^= 1 << (r % 64) }

// live returns, for each instruction, the registers whose values are needed after it.
func (f *Func) live() []set {
	words := len(f.vector)/64 + 1
	at := map[string]int{}
	before, after := make([]set, len(f.code)+1), make([]set, len(f.code))
	for i := range before {
		before[i] = make(set, words)
	}
	for i := range after {
		after[i] = make(set, words)
		if l := f.code[i].label; l != "" {
			if _, twice := at[l]; twice {
				panic("two labels " + l)
			}
			at[l] = i
		}
	}
	for changed := true; changed; {
		changed = false
		for i := len(f.code) - 1; i >= 0; i-- {
			c := &f.code[i]
			now := after[i]
			if !c.ends {
				merge(now, before[i+1])
			}
			if c.target != "" {
				to, ok := at[c.target]
				if !ok {
					panic("no label " + c.target)
				}
				merge(now, before[to])
			}
			need := append(set{}, now...)
			for _, o := range c.operands() {
				if o.write && !o.read {
					need.remove(o.register)
				}
			}
			for _, o := range c.operands() {
				if o.read {
					need.add(o.register)
				}
			}
			changed = merge(before[i], need) || changed
		}
	}
	return after
}

// merge adds b to a and reports whether that changed a.
func merge(a, b set) (changed bool) {
	for i, v := range b {
		changed = changed || v&^a[i] != 0
		a[i] |= v
	}
	return changed
}

func (i *inst) operands() (list []operand) {
	for _, a := range i.args {
		if o, ok := a.(operand); ok {
			list = append(list, o)
		}
	}
	return list
}

// general lists the registers that Go leaves to assembly.
var general = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 24, 25}

var vectors = func() (list []int) {
	for i := range 32 {
		list = append(list, i)
	}
	return list
}()

// allocate chooses the processor's registers and reports whether there are enough: in
// the order of the first instructions that write them, each gets the first one that no
// register with a value needed at the same time has.
func (f *Func) allocate() bool {
	n := len(f.vector)
	conflicts := make([]map[int]bool, n+1)
	for i := range conflicts {
		conflicts[i] = map[int]bool{}
	}
	var order []int
	known := map[int]bool{}
	for i, after := range f.live() {
		for _, o := range f.code[i].operands() {
			if !known[o.register] {
				known[o.register] = true
				order = append(order, o.register)
				if !o.write {
					panic(fmt.Sprintf("%q reads a register before it is written", f.code[i].format))
				}
			}
			if !o.write {
				continue
			}
			for r := 1; r <= n; r++ {
				if r != o.register && f.vector[r-1] == f.vector[o.register-1] && after.has(r) {
					conflicts[r][o.register], conflicts[o.register][r] = true, true
				}
			}
			// Two results of one instruction.
			for _, p := range f.code[i].operands() {
				if p.write && p.register != o.register {
					conflicts[p.register][o.register], conflicts[o.register][p.register] = true, true
				}
			}
		}
	}
	f.chosen = make([]int, n)
	for i := range f.chosen {
		f.chosen[i] = -1
	}
	for _, r := range order {
		list := general
		if f.vector[r-1] {
			list = vectors
		}
		taken := map[int]bool{}
		for other := range conflicts[r] {
			taken[f.chosen[other-1]] = true
		}
		for _, candidate := range list {
			if !taken[candidate] {
				f.chosen[r-1] = candidate
				break
			}
		}
		if f.chosen[r-1] < 0 {
			return false
		}
	}
	return true
}
