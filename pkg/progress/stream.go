package progress

import (
	"bytes"
	"io"
	"strings"
	"time"
)

// stream is the output of a renderer. It keeps the first error and then writes nothing more,
// because a closed pipe never opens again.
type stream struct {
	out io.Writer
	err error
}

func (s *stream) write(p []byte) {
	if s.err == nil && len(p) > 0 {
		_, s.err = s.out.Write(p)
	}
}

// lineBuffer joins pieces of output to whole lines.
type lineBuffer struct{ held []byte }

// add returns the lines that p completes, without their line ends.
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

// rest returns the incomplete line, if there is one.
func (l *lineBuffer) rest() []string {
	if len(l.held) == 0 {
		return nil
	}
	line := string(l.held)
	l.held = nil
	return []string{line}
}

// pacer calls a function at regular intervals while there is something to do. Otherwise it sleeps.
type pacer struct {
	wake, quit, done chan struct{}
}

// newPacer starts a pacer that sleeps until poke wakes it. Then it calls f after every interval
// until f returns false, and sleeps again.
func newPacer(every time.Duration, f func() bool) *pacer {
	p := &pacer{wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for p.sleep() && p.pace(every, f) {
		}
	}()
	return p
}

// sleep returns true when the pacer is woken, and false when it must end.
func (p *pacer) sleep() bool {
	select {
	case <-p.quit:
		return false
	case <-p.wake:
		return true
	}
}

// pace returns true when f returns false, and false when the pacer must end.
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
	default: // it is awake, or will be soon
	}
}

// stop ends the pacer and waits for a call of f in progress, so the caller must not hold a lock
// that f takes. It must be called only once.
func (p *pacer) stop() {
	close(p.quit)
	<-p.done
}
