package progress

import (
	"io"
	"sync"
	"time"
)

// meterEvery is the minimum time between two events of a Meter. A board shows each of them, and a
// program that reads JSON is not flooded.
const meterEvery = 500 * time.Millisecond

// A Meter counts the bytes of a long transfer, and emits an event about them twice a second. It is
// safe for concurrent use, and must not be copied.
type Meter struct {
	// On receives the events. If nil, nobody does.
	On Func
	// Steps lists the steps that copy these bytes at the same time. Each event is emitted for each
	// of them.
	Steps []string
	// Total is the expected number of bytes, or 0 if it is not known.
	Total int64
	// Detail is the Detail of the events.
	Detail string

	mu    sync.Mutex
	bytes int64
	last  time.Time
}

// Add counts n more bytes.
func (m *Meter) Add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += n
	now := time.Now()
	if m.last.IsZero() {
		m.last = now // a transfer that is over at once needs no event
	}
	if m.On == nil || now.Sub(m.last) < meterEvery {
		return
	}
	m.last = now
	for _, name := range m.Steps {
		m.On(Event{Time: now, Step: name, State: Running, Detail: m.Detail, Bytes: m.bytes, TotalBytes: m.Total})
	}
}

// Expect adds n bytes to the Total.
func (m *Meter) Expect(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Total += n
}

// Bytes returns the number of bytes so far.
func (m *Meter) Bytes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes
}

// Write counts the bytes of p, so that a Meter can be the second writer of an io.MultiWriter or
// io.TeeReader. It returns no error.
func (m *Meter) Write(p []byte) (int, error) {
	m.Add(int64(len(p)))
	return len(p), nil
}

// Reader returns a reader of r whose bytes are counted.
func (m *Meter) Reader(r io.Reader) io.Reader { return io.TeeReader(r, m) }

// Writer returns a writer to w whose bytes are counted.
func (m *Meter) Writer(w io.Writer) io.Writer { return io.MultiWriter(w, m) }
