package progress

import (
	"bytes"
	"io"
	"strings"
	"time"
)

// stream is where a renderer writes. It keeps the first error, after which it writes
// nothing more: a closed pipe will not open again.
type stream struct {
	out io.Writer
	err error
}

func (s *stream) write(p []byte) {
	if s.err == nil && len(p) > 0 {
		_, s.err = s.out.Write(p)
	}
}

// lineBuffer makes whole lines of what is written in pieces.
type lineBuffer struct{ held []byte }

// add returns the lines that p completes, without their ends.
func (l *lineBuffer) add(p []byte) []string {
	l.held = append(l.held, p...)
	end := bytes.LastIndexByte(l.held, '\n')
	if end < 0 {
		return nil
	}
	lines := strings.Split(string(l.held[:end]), "\n")
	l.held = append(l.held[:0], l.held[end+1:]...)
	return lines
}

// rest returns the line that was begun and not ended, if there is one.
func (l *lineBuffer) rest() []string {
	if len(l.held) == 0 {
		return nil
	}
	line := string(l.held)
	l.held = nil
	return []string{line}
}

// pacer calls a function at a steady pace while there is something to do, and costs
// nothing otherwise.
type pacer struct {
	wake, quit, done chan struct{}
}

// newPacer starts a pacer that sleeps until it is woken. Then it calls f after every
// interval until f returns false, and sleeps again.
func newPacer(every time.Duration, f func() bool) *pacer {
	p := &pacer{wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for p.sleep() && p.pace(every, f) {
		}
	}()
	return p
}

// sleep returns true when the pacer is woken, false when it shall end.
func (p *pacer) sleep() bool {
	select {
	case <-p.quit:
		return false
	case <-p.wake:
		return true
	}
}

// pace returns true when f has had enough, false when the pacer shall end.
func (p *pacer) pace(every time.Duration, f func() bool) bool {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-p.quit:
			return false
		case <-ticker.C:
			if !f() {
				return true
			}
		}
	}
}

func (p *pacer) poke() {
	select {
	case p.wake <- struct{}{}:
	default: // it is awake, or about to be
	}
}

// stop ends the pacer once and waits for the call of f that may be under way, so the
// caller holds no lock that f takes.
func (p *pacer) stop() {
	close(p.quit)
	<-p.done
}
