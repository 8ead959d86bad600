package progress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// wire is the JSON form of an Event.
type wire struct {
	Time           time.Time `json:"time"`
	Step           string    `json:"step"`
	State          State     `json:"state"`
	Short          string    `json:"short,omitempty"`
	Needs          []string  `json:"needs,omitempty"`
	Detail         string    `json:"detail,omitempty"`
	Bytes          int64     `json:"bytes,omitempty"`
	TotalBytes     int64     `json:"totalBytes,omitempty"`
	ElapsedSeconds *float64  `json:"elapsedSeconds,omitempty"`
}

// message is the JSON form of a line that was passed to Write.
type message struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
}

// MarshalJSON returns e as a JSON object. In mode json, each event is such an object on its own
// line (JSON Lines, https://jsonlines.org):
//
//	time            string, RFC 3339 with nanoseconds
//	step            string
//	state           string: pending, running, done, failed or skipped
//	short           string, what the step does; omitted if empty
//	needs           strings, the steps that it waits for; omitted if empty
//	detail          string, what it waits for now, or its error; omitted if empty
//	bytes           number, how much the step has copied; omitted if nothing
//	totalBytes      number, how much there is to copy; omitted if not known
//	elapsedSeconds  number, the duration of the step; only if done or failed
//
// Names may be added, but existing names do not change. In mode json, a line that was passed to
// Write, such as a trace, is an object of time and message (a string) instead.
func (e Event) MarshalJSON() ([]byte, error) {
	w := wire{
		Time: e.Time, Step: e.Step, State: e.State, Short: e.Short, Needs: e.Needs, Detail: e.Detail,
		Bytes: e.Bytes, TotalBytes: e.TotalBytes,
	}
	if e.State == Done || e.State == Failed {
		s := e.Elapsed.Seconds()
		w.ElapsedSeconds = &s
	}
	return encode(w)
}

// UnmarshalJSON reads the output of MarshalJSON. It accepts unknown names.
func (e *Event) UnmarshalJSON(b []byte) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	*e = Event{
		Time: w.Time, Step: w.Step, State: w.State, Short: w.Short, Needs: w.Needs, Detail: w.Detail,
		Bytes: w.Bytes, TotalBytes: w.TotalBytes,
	}
	if w.ElapsedSeconds != nil {
		e.Elapsed = time.Duration(*w.ElapsedSeconds * float64(time.Second)).Round(time.Microsecond)
	}
	return nil
}

// encode returns v as one line of JSON. Unlike json.Marshal, it does not escape '<', '>' and '&',
// because people and jq read the output, and not browsers.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// jsonLines writes one object per line, for programs.
type jsonLines struct {
	opts Options

	mu     sync.Mutex
	out    stream
	steps  steps
	lines  lineBuffer
	closed bool
}

func newJSON(out io.Writer, opts Options) *jsonLines {
	return &jsonLines{opts: opts, out: stream{out: out}}
}

func (j *jsonLines) On(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	e = j.opts.stamped(e)
	// All events are passed on, including outdated ones, because the reader decides what to do
	// with them.
	if s, _ := j.steps.apply(e); s != nil && s.finished() {
		e.Elapsed = s.took
	}
	j.emit(e)
}

func (j *jsonLines) emit(v any) {
	b, err := encode(v)
	if err != nil && j.out.err == nil {
		j.out.err = fmt.Errorf("writing an event: %w", err)
	}
	j.out.write(b)
}

func (j *jsonLines) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, os.ErrClosed
	}
	j.pass(j.lines.add(b))
	return len(b), j.out.err
}

func (j *jsonLines) pass(lines []string) {
	for _, line := range lines {
		j.emit(message{Time: j.opts.Now(), Message: line})
	}
}

func (j *jsonLines) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.closed = true
		j.pass(j.lines.rest())
	}
	return j.out.err
}
