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

// wire is an Event as JSON.
type wire struct {
	Time           time.Time `json:"time"`
	Step           string    `json:"step"`
	State          State     `json:"state"`
	Short          string    `json:"short,omitempty"`
	Needs          []string  `json:"needs,omitempty"`
	Detail         string    `json:"detail,omitempty"`
	ElapsedSeconds *float64  `json:"elapsedSeconds,omitempty"`
}

// message is a line that somebody else wrote, as JSON.
type message struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
}

// MarshalJSON writes e as the object that mode json has a line of (JSON Lines,
// https://jsonlines.org):
//
//	time            string, RFC 3339 with nanoseconds
//	step            string
//	state           string: pending, running, done, failed or skipped
//	short           string, what the step does; left out when empty
//	needs           strings, the steps it waits for; left out when empty
//	detail          string, what it waits for now or its error; left out when empty
//	elapsedSeconds  number, how long the step ran; only when done or failed
//
// Names may be added, none will change. In mode json a line of somebody else's, such
// as a trace, is an object of time and message (a string) instead.
func (e Event) MarshalJSON() ([]byte, error) {
	w := wire{Time: e.Time, Step: e.Step, State: e.State, Short: e.Short, Needs: e.Needs, Detail: e.Detail}
	if e.State == Done || e.State == Failed {
		s := e.Elapsed.Seconds()
		w.ElapsedSeconds = &s
	}
	return encode(w)
}

// UnmarshalJSON reads what MarshalJSON writes. It accepts names that it does not know.
func (e *Event) UnmarshalJSON(b []byte) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	*e = Event{Time: w.Time, Step: w.Step, State: w.State, Short: w.Short, Needs: w.Needs, Detail: w.Detail}
	if w.ElapsedSeconds != nil {
		e.Elapsed = time.Duration(*w.ElapsedSeconds * float64(time.Second)).Round(time.Microsecond)
	}
	return nil
}

// encode writes v as one line of JSON. Unlike json.Marshal it leaves '<', '>' and
// '&' as they are: this is read by people and jq, not by browsers.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// jsonLines writes an object a line, for programs.
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
	// All events are passed on, the stale ones too: what to make of them is the
	// reader's affair.
	if s, _ := j.steps.apply(e); s != nil && s.finished() {
		e.Elapsed = s.took
	}
	j.put(e)
}

func (j *jsonLines) put(v any) {
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
		j.put(message{Time: j.opts.Now(), Message: line})
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
