package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const output = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'a_sum' for 'sm_80'
ptxas info    : Function properties for a_sum
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, 16896 bytes smem, 472 bytes cmem[0], 8 bytes cmem[2]
ptxas info    : Compiling entry function 'a_scale' for 'sm_80'
ptxas info    : Function properties for a_scale
    48 bytes stack frame, 20 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 12 registers, 376 bytes cmem[0]
`

func TestParse(t *testing.T) {
	got, err := parse(output)
	want := []kernel{
		{name: "a_sum", registers: 40, shared: 16896},
		{name: "a_scale", registers: 12, spilled: 44},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v and %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"ptxas info    : Used 12 registers\n", "ptxas info    : Compiling entry function 'a' for 'sm_80'\n"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestTable(t *testing.T) {
	kernels := []kernel{
		{file: "a.ptx.gz", name: "a_scale", target: 80, registers: 12},
		{file: "a.ptx.gz", name: "a_sum", target: 80, registers: 40, shared: 1024},
		{file: "b.ptx", name: "b_gemm", target: 80, registers: 128, shared: 4096, bounded: true},
		{file: "b.ptx", name: "b_gemm", target: 90, registers: 120, shared: 4096, bounded: true},
	}
	doc := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(doc, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time over the first
		if err := writeTable(doc, table("11.8", rows(kernels))); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(doc)
	want := `before
<!-- ptxas -->
Registers of a thread and bytes of shared memory of a block, by ptxas of CUDA 11.8:

| kernel | shared memory | sm_70 | sm_75 | sm_80 | sm_86 | sm_90 |
| --- | --- | --- | --- | --- | --- | --- |
| b_gemm | 4096 |  |  | 128 |  | 120 |
<!-- end of ptxas -->
after
`
	if err != nil || string(got) != want {
		t.Errorf("the document is\n%s\nwant\n%s\nerror %v", got, want, err)
	}
	var shown strings.Builder
	if err := show(&shown, rows(kernels)); err != nil || !strings.Contains(shown.String(), "a.ptx.gz        1024                  12-40") {
		t.Errorf("shown:\n%s\nerror %v", shown.String(), err)
	}
	if err := os.WriteFile(doc, []byte("before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeTable(doc, "table"); err == nil || !strings.Contains(err.Error(), "has no lines") {
		t.Errorf("a document without a place for the table: error %v", err)
	}
}

// repository makes a folder with a kernel, compressed and as a template, and an
// assembler that is a shell script.
func repository(t *testing.T, script string) (root, program string) {
	t.Helper()
	root = t.TempDir()
	const ptx = "//\n.version 7.0\n.target sm_80\n.visible .entry a_sum(\n.param .u64 x[4]\n)\n.maxntid 256, 1, 1\n{\n}\n" +
		".visible .entry a_scale(\n.param .u64 x\n)\n{\n}\n"
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(ptx)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(root, "ptxas")
	for name, text := range map[string]string{
		"a.ptx.gz":     packed.String(),
		"new.ptx.tmpl": strings.ReplaceAll(strings.ReplaceAll(ptx, "[", `[[ "[" ]]`), "a_s", "[[.Package]]_s"),
		"ptxas":        "#!/bin/sh\ncase $1 in --version) echo 'Cuda compilation tools, release 11.8, V11.8.89'; exit;; esac\n" + script,
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root, program
}

func TestAssemble(t *testing.T) {
	root, program := repository(t, `
echo "ptxas info    : Compiling entry function 'a_sum' for '$2'"
echo "ptxas info    : Used 40 registers, 16896 bytes smem"
echo "ptxas info    : Compiling entry function 'a_scale' for '$2'"
echo "ptxas info    : Used 12 registers"
`)
	got, err := assemble(context.Background(), program, root, []string{"a.ptx.gz"})
	var want []kernel
	for _, k := range []kernel{
		{file: "a.ptx.gz", name: "a_scale", registers: 12},
		{file: "a.ptx.gz", name: "a_sum", registers: 40, shared: 16896, bounded: true},
	} {
		for _, k.target = range []int{80, 86, 90} { // the file is for sm_80 and newer
			want = append(want, k)
		}
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got\n%+v\nerror %v, want\n%+v", got, err, want)
	}
	version, err := versionOf(context.Background(), program)
	if version != "11.8" || err != nil {
		t.Errorf("version %q, error %v", version, err)
	}
	text, err := readPTX(filepath.Join(root, "new.ptx.tmpl"))
	if err != nil || !strings.Contains(string(text), ".entry pkgname_sum(") || !strings.Contains(string(text), "x[4]") || strings.Contains(string(text), "[[") {
		t.Errorf("the template is\n%s\nerror %v", text, err)
	}
}

// TestAssembleErrors has an assembler that refuses a file, and one that forgets a
// kernel.
func TestAssembleErrors(t *testing.T) {
	for script, want := range map[string]string{
		"echo 'ptxas fatal   : Unresolved extern function' >&2; exit 255\n":                                             "a.ptx.gz, sm_80: ptxas: exit status 255\nptxas fatal   : Unresolved extern",
		"echo \"ptxas info    : Compiling entry function 'a_sum' for 'sm_80'\"; echo 'ptxas info : Used 4 registers'\n": "a.ptx.gz, sm_80: ptxas reports 1 kernels, the file has 2",
	} {
		root, program := repository(t, script)
		if _, err := assemble(context.Background(), program, root, []string{"a.ptx.gz"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
