package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	slowAfter   = 5 * time.Second  // when a running step first reports what it waits for
	newsEvery   = 10 * time.Second // the minimum time between two reports if the detail has changed
	repeatEvery = 30 * time.Second // the time after which it repeats the same detail, as a sign of life

	bytesAfter = time.Second     // when a running step first reports its bytes
	bytesEvery = 5 * time.Second // the minimum time between two reports of bytes
)

// plain writes lines, for logs.
type plain struct {
	opts Options
	once sync.Once // of Close

	mu     sync.Mutex
	out    stream
	steps  steps
	told   map[string]telling
	lines  lineBuffer
	pacer  *pacer
	closed bool
}

// telling is the last line about a running step.
type telling struct {
	at   time.Time
	news string
}

func newPlain(out io.Writer, opts Options) *plain {
	p := &plain{opts: opts, out: stream{out: out}, told: map[string]telling{}}
	p.pacer = newPacer(time.Second, p.tellSlow)
	return p
}

func (p *plain) On(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	e = p.opts.stamped(e)
	s, before := p.steps.apply(e)
	if s == nil || s.state == before {
		return
	}
	if s.state == Running {
		delete(p.told, s.name)
		p.pacer.poke()
	}
	if text := changeText(s); text != "" {
		p.say(e.Time, s, text)
	}
}

// changeText returns the text for a new state of a step.
func changeText(s *step) string {
	switch s.state {
	case Running:
		return withNote("starting", s.short)
	case Done:
		return withDetail("ready after "+seconds(s.took), s.news())
	case Failed:
		return withDetail("failed after "+seconds(s.took), s.detail)
	case Skipped:
		return withDetail("skipped", s.detail)
	}
	return ""
}

func withNote(text, note string) string {
	if note == "" {
		return text
	}
	return text + " (" + note + ")"
}

func withDetail(text, detail string) string {
	if detail == "" {
		return text
	}
	return text + ": " + detail
}

// say writes a line about s. The other lines of a long error follow, indented.
func (p *plain) say(at time.Time, s *step, text string) {
	var b strings.Builder
	fmt.Fprintf(&b, "[%5s] %s: ", seconds(max(0, at.Sub(p.steps.first))), s.name)
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i > 0 {
			b.WriteString("    ")
		}
		b.WriteString(strings.TrimRight(printable(line, false), " "))
		b.WriteByte('\n')
	}
	p.out.write([]byte(b.String()))
}

// tellSlow writes for each slow step what it waits for, and for each step that copies how many
// bytes it has copied. It reports whether any step is running.
func (p *plain) tellSlow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, running := p.opts.Now(), false
	for _, s := range p.steps.list {
		if s.state != Running {
			continue
		}
		running = true
		if p.due(s, now) {
			text := s.news()
			if s.bytes == 0 || text == p.told[s.name].news {
				text = withDetail("still waiting", text)
			}
			p.told[s.name] = telling{at: now, news: s.news()}
			p.say(now, s, text)
		}
	}
	return running
}

func (p *plain) due(s *step, now time.Time) bool {
	last, ok := p.told[s.name]
	switch {
	case !ok && s.bytes > 0:
		return s.elapsed(now) >= bytesAfter
	case !ok:
		return s.elapsed(now) > slowAfter
	case last.news != s.news() && s.bytes > 0:
		return now.Sub(last.at) >= bytesEvery
	case last.news != s.news():
		return now.Sub(last.at) >= newsEvery
	}
	return now.Sub(last.at) >= repeatEvery
}

func (p *plain) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, os.ErrClosed
	}
	p.pass(p.lines.add(b))
	return len(b), p.out.err
}

func (p *plain) pass(lines []string) {
	if len(lines) > 0 {
		p.out.write([]byte(strings.Join(lines, "\n") + "\n"))
	}
}

func (p *plain) Close() error {
	p.once.Do(func() {
		p.pacer.stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.closed = true
		p.pass(p.lines.rest())
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.err
}
