package python

import "os"

// inherit does nothing: on Windows the process opens the shared memory by its name.
func (p *process) inherit(*os.File) {}

// killGroup ends the process.
func (p *process) killGroup() { p.cmd.Process.Kill() }
