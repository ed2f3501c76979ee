package python

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
)

// variable is the environment variable that names the Python to run, a file or a name
// to look up in PATH, in place of python3.
const variable = "GOCAFFE_PYTHON"

var (
	//go:embed pycaffe/worker.py
	workerSource string
	//go:embed pycaffe/caffe.py
	caffeSource string
	//go:embed pycaffe/io.py
	ioSource string
	//go:embed pycaffe/caffe_pb2.py
	protoSource string
)

// packageSource is the package caffe.proto, which imports caffe_pb2 on use only.
const packageSource = `def __getattr__(name):
    import importlib
    if name != 'caffe_pb2':
        raise AttributeError(name)
    return importlib.import_module('caffe.proto.caffe_pb2')
`

// bootstrap is what Python runs: it reads the worker from its input, so that nothing
// is written to disk. It is valid in Python 2 too, for which worker.py has an error.
const bootstrap = `import os, sys
pipe = os.fdopen(os.dup(0), "rb")
exec(compile(pipe.read(int(pipe.readline())), "<gocaffe>", "exec"))`

// A process is a running Python.
type process struct {
	path   string // of the program
	where  string // modules are looked up
	cmd    *exec.Cmd
	memory *memory
	users  int // layers; guarded by running, as is idle
	idle   int // of them, those that only wait for others (importModule)
	ids    atomic.Int64

	requests *os.File
	lifeline *os.File      // the process is killed when this end is closed
	turn     chan struct{} // holds a token while no call is in progress
	pending  *layer        // whose call was abandoned: the process still works on it
	request  frame

	replies chan error  // an element for each reply
	reply   frame       // valid after a receive from replies, until the next request
	output  chan []byte // what the process prints; nil after its end
	closed  chan struct{}
	exited  chan struct{}
	exit    string // how the process has ended, valid once exited is closed

	outputPipe *os.File
}

// running is the process of this program. As in Caffe, whose nets share one
// interpreter, layers of all nets find each other's modules and their globals.
var running struct {
	sync.Mutex
	*process
}

// use returns the process, which it starts if none is running.
func use(l *layer) (*process, error) {
	path, err := interpreter()
	if err != nil {
		return nil, err
	}
	running.Lock()
	defer running.Unlock()
	where := modulePath()
	if p := running.process; p != nil && !p.dead() && p.path == path && (p.users > p.idle || p.where == where) {
		p.users++
		return p, nil
	}
	p, err := start(path)
	if err != nil {
		return nil, err
	}
	if err := p.prepare(l); err != nil {
		p.close(l)
		if p.pending == nil && !isFailure(err) {
			err = fmt.Errorf("%s does not run as Python 3 does: %w", path, err)
		}
		return nil, err
	}
	p.users, p.where = 1, where
	running.process = p
	return p, nil
}

// leave ends the process if no other layer uses it.
func (p *process) leave(l *layer) {
	running.Lock()
	defer running.Unlock()
	if p.users--; p.users > 0 {
		return
	}
	if running.process == p {
		running.process = nil
	}
	p.close(l)
}

// linger is leave after some time, for layers that follow soon.
func (p *process) linger(l *layer, d time.Duration) {
	running.Lock()
	p.idle++
	running.Unlock()
	time.AfterFunc(d, func() {
		running.Lock()
		p.idle--
		running.Unlock()
		p.leave(l)
	})
}

// modulePath returns where a process that starts now looks up modules.
func modulePath() string {
	dir, _ := os.Getwd()
	return dir + string(os.PathListSeparator) + os.Getenv("PYTHONPATH")
}

// interpreter returns the path of the Python to run.
func interpreter() (string, error) {
	if name := os.Getenv(variable); name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("%s is %q: %w", variable, name, err)
		}
		return path, nil
	}
	names := []string{"python3"}
	if runtime.GOOS == "windows" {
		names = append(names, "python")
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s in PATH: install Python 3 with NumPy (Debian: apt-get install python3 python3-numpy), or name a Python in %s",
		names[0], variable)
}

// start starts Python.
func start(path string) (*process, error) {
	m, err := newMemory()
	if err != nil {
		return nil, err
	}
	p := &process{
		path:    path,
		cmd:     exec.Command(path, "-u", "-c", bootstrap),
		memory:  m,
		turn:    make(chan struct{}, 1),
		replies: make(chan error, 1),
		output:  make(chan []byte, 64),
		closed:  make(chan struct{}),
		exited:  make(chan struct{}),
	}
	p.turn <- struct{}{}
	if err := p.launch(); err != nil {
		m.close()
		return nil, fmt.Errorf("cannot start %s: %w", path, err)
	}
	return p, nil
}

// launch connects the pipes, starts the process, and the goroutines that read from it.
func (p *process) launch() (err error) {
	var pipes [4][2]*os.File // requests, replies, output, lifeline: each to read from, to write to
	defer func() {
		for i, pipe := range pipes {
			for j, f := range pipe {
				if kept := i == 0 || i == 3; f != nil && (err != nil || kept == (j == 0)) {
					f.Close()
				}
			}
		}
	}()
	for i := range pipes {
		if pipes[i][0], pipes[i][1], err = os.Pipe(); err != nil {
			return err
		}
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = pipes[0][0], pipes[1][1], pipes[2][1]
	p.inherit(pipes[3][0])
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.requests, p.lifeline = pipes[0][1], pipes[3][1]
	p.outputPipe = pipes[2][0]
	go p.readReplies(pipes[1][0])
	go p.readOutput(p.outputPipe, p.output)
	go p.wait()
	return nil
}

// prepare gives Python its programs and waits until it is ready. A failure is the
// reason why it cannot run layers.
func (p *process) prepare(l *layer) error {
	descriptor, err := proto.Marshal(protodesc.ToFileDescriptorProto(caffepb.File_caffe_proto))
	if err != nil {
		return err
	}
	text, err := json.Marshal(map[string]any{
		"modules":    map[string]string{"caffe": caffeSource, "caffe.io": ioSource, "caffe.proto": packageSource, "caffe.proto.caffe_pb2": protoSource},
		"descriptor": descriptor,
		"memory":     p.memory.path,
		"program":    p.path,
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(p.requests, "%d\n%s", len(workerSource), workerSource); err != nil {
		return p.died(l, err.Error())
	}
	if err := p.begin(context.Background(), l); err != nil {
		return err
	}
	defer p.end()
	p.request.add(opStart)
	p.request.text = append(p.request.text, text...)
	return p.do(context.Background(), l)
}

// maxReply is the largest size of a reply in bytes.
const maxReply = 1 << 26

// readReplies passes replies on to the call in progress.
func (p *process) readReplies(pipe *os.File) {
	defer pipe.Close()
	var head [8]byte
	var body []byte
	for {
		if _, err := io.ReadFull(pipe, head[:]); err != nil {
			return // the process ends: wait reports it
		}
		n := binary.NativeEndian.Uint64(head[:])
		err := errDamaged
		if n <= maxReply {
			body = slices.Grow(body[:0], int(n))[:n]
			if _, err := io.ReadFull(pipe, body); err != nil {
				return
			}
			err = p.reply.decode(body)
		}
		select {
		case p.replies <- err:
		case <-p.exited:
			return
		}
	}
}

// readOutput passes what the process prints on to the call in progress, or to the
// next one.
func (p *process) readOutput(pipe *os.File, output chan<- []byte) {
	defer close(output)
	for {
		chunk := make([]byte, 8192)
		n, err := pipe.Read(chunk)
		if n > 0 {
			select {
			case output <- chunk[:n]:
			case <-p.closed:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait waits for the end of the process, and ends those that it has started.
func (p *process) wait() {
	err := p.cmd.Wait()
	p.killGroup()
	p.exit = "exit status 0"
	if err != nil {
		p.exit = err.Error()
	}
	close(p.exited)
}

// dead reports whether the process has ended.
func (p *process) dead() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// The times that a process has to end by itself, and for its last output.
const (
	closeTime  = 2 * time.Second
	outputTime = time.Second
)

// close ends the process: it lets Python run its exit handlers, or kills it if a call
// was abandoned.
func (p *process) close(l *layer) {
	p.requests.Close()
	limit := closeTime
	if p.pending != nil {
		limit = 0
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for over := false; !over; {
		select {
		case <-p.exited:
			over = true
		case chunk, ok := <-p.output:
			p.print(l, chunk, ok)
		case <-timer.C:
			p.killGroup()
		}
	}
	p.printLast(l, outputTime)
	close(p.closed)
	p.outputPipe.Close()
	p.lifeline.Close()
	p.memory.close()
}
