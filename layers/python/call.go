package python

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gocaffe/gocaffe/layers"
)

// stopTime is how long a call may go on after the user has asked training to stop.
var stopTime = 5 * time.Second

// failedTime is how long the output before a failure may take to arrive.
const failedTime = 20 * time.Millisecond

// begin waits for the calls of other layers and prepares the request of l.
func (p *process) begin(ctx context.Context, l *layer) error {
	select {
	case <-p.turn:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.exited:
		return p.ended(l, p.exit)
	}
	if p.pending != nil {
		// The answer to a call that was abandoned comes first.
		if err := p.await(ctx, p.pending); err != nil && !isFailure(err) {
			p.end()
			return err
		}
	}
	p.request.reset()
	return nil
}

// beginIdle prepares a request if the process waits for one. It does not wait for a call
// that was abandoned.
func (p *process) beginIdle(ctx context.Context) bool {
	select {
	case <-p.turn:
	case <-ctx.Done():
		return false
	}
	if p.pending != nil || p.dead() {
		p.end()
		return false
	}
	p.request.reset()
	return true
}

// end lets other layers call.
func (p *process) end() { p.turn <- struct{}{} }

// do sends the request and waits until it is done; the reply has what it returns. If
// the call takes too long for ctx or for a user who has asked to stop, the process goes
// on with it, and the next call waits for that.
func (p *process) do(ctx context.Context, l *layer) error {
	if _, err := p.requests.Write(p.request.encode()); err != nil {
		return p.died(l, err.Error())
	}
	return p.await(ctx, l)
}

// await waits for the reply to the request that was sent for l.
func (p *process) await(ctx context.Context, l *layer) error {
	p.pending = l
	stop, late := l.spec.Env.Stop, (<-chan time.Time)(nil)
	for {
		select {
		case err := <-p.replies:
			if err == nil && p.reply.next() == replyMemory {
				if err = p.giveMemory(l); err == nil {
					continue
				}
			}
			p.pending = nil
			switch {
			case err != nil:
				p.killGroup()
				return err
			case p.reply.ints[0] == replyFailed:
				p.printLast(l, failedTime)
				return &failure{field: p.reply.next(), text: string(p.reply.text)}
			}
			p.printReady(l)
			return nil
		case chunk, ok := <-p.output:
			p.print(l, chunk, ok)
		case <-p.exited:
			return p.died(l, "")
		case <-ctx.Done():
			return ctx.Err()
		case <-stop:
			stop, late = nil, time.After(stopTime)
		case <-late:
			return fmt.Errorf("no result %v after the signal to stop: the layer hangs, or a pass takes longer", stopTime)
		}
	}
}

// giveMemory answers a reply that asks for the memory of an array.
func (p *process) giveMemory(l *layer) error {
	s, err := l.requested(&p.reply)
	if err != nil {
		return err
	}
	p.request.reset()
	p.request.add(opMemory, s.offset, int64(len(s.bytes)))
	_, err = p.requests.Write(p.request.encode())
	return err
}

// print passes on a part of the output, or notes its end.
func (p *process) print(l *layer, chunk []byte, ok bool) {
	if ok {
		l.print(chunk)
	} else {
		p.output = nil
	}
}

// printReady passes on what the process has printed so far.
func (p *process) printReady(l *layer) {
	for p.output != nil {
		select {
		case chunk, ok := <-p.output:
			p.print(l, chunk, ok)
		default:
			return
		}
	}
}

// printLast passes on what the process has printed before it ended or failed: until the
// output ends, or for the given time, after which something that the process has started
// may still print.
func (p *process) printLast(l *layer, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for p.output != nil {
		select {
		case chunk, ok := <-p.output:
			p.print(l, chunk, ok)
		case <-timer.C:
			return
		}
	}
}

// died returns the error of a process that has ended, or that does not read what it is
// sent, for the given reason.
func (p *process) died(l *layer, reason string) error {
	select {
	case <-p.exited:
		p.printLast(l, outputTime)
		reason = p.exit
	case <-time.After(outputTime):
	}
	p.pending = nil
	return p.ended(l, reason)
}

func (p *process) ended(l *layer, reason string) error {
	return fmt.Errorf("the Python process has ended (%s)%s", reason, l.lastOutput())
}

// A failure is an error that the process has reported, with the part of python_param
// that it is about: one of the fields.
type failure struct {
	field int64
	text  string
}

func (f *failure) Error() string { return f.text }

func isFailure(err error) bool {
	var f *failure
	return errors.As(err, &f)
}

// moduleField is the number of the field that names the module.
const moduleField = 1

// fields are the numbers of fields in worker.py.
var fields = [...]string{"", "python_param.module", "python_param.layer"}

// failed returns the error of a call with its place in the file.
func (l *layer) failed(err error) error {
	field := ""
	var f *failure
	if errors.As(err, &f) && f.field >= 0 && f.field < int64(len(fields)) {
		field = fields[f.field]
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return l.spec.ErrorAt(field, 0, &layers.ProgramError{Err: err})
}
