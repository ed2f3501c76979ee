//go:build unix

package python

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// inherit gives the process the files that it inherits, as descriptors 3 and 4, and a
// process group of its own: Ctrl-C is for this program to handle, and what the process
// has started ends with it.
func (p *process) inherit(lifeline *os.File) {
	p.cmd.ExtraFiles = []*os.File{lifeline}
	if p.memory.path == "" {
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, p.memory.file)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// killGroup ends the process and those that it has started.
func (p *process) killGroup() { unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) }
