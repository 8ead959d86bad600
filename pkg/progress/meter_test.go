package progress

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// mib is a number of bytes.
const mib = 1 << 20

func TestMeter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r Recorder
		m := Meter{On: r.On, Steps: []string{"a", "b"}, Total: 4 * mib, Detail: "copying"}
		m.Expect(6 * mib)
		start := time.Now()
		for range 7 {
			m.Add(mib)
			time.Sleep(200 * time.Millisecond)
		}
		var want []Event
		for _, at := range []int64{3, 6} { // 600 ms and 1.2 s
			for _, step := range m.Steps {
				want = append(want, Event{Time: start.Add(time.Duration(at) * 200 * time.Millisecond), Step: step, State: Running,
					Detail: "copying", Bytes: (at + 1) * mib, TotalBytes: 10 * mib})
			}
		}
		if got := r.Events(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestMeterCountsStreams(t *testing.T) {
	t.Parallel()
	var m Meter
	var out strings.Builder
	if _, err := io.Copy(m.Writer(&out), m.Reader(strings.NewReader("four"))); err != nil {
		t.Fatal(err)
	}
	if m.Bytes() != 8 || out.String() != "four" {
		t.Errorf("counted %d bytes of %q", m.Bytes(), out.String())
	}
}

// TestPlainTellsBytes copies 840 MiB in 17 seconds, unpacks them, and then stops for a while.
func TestPlainTellsBytes(t *testing.T) {
	t.Parallel()
	inMode(t, "plain", `[ 0.0s] worker: starting (web:1)
[ 1.0s] worker: 100 of 840 MiB
[ 6.0s] worker: 350 of 840 MiB
[11.0s] worker: 600 of 840 MiB
[16.0s] worker: unpacking: 840 MiB
[46.0s] worker: still waiting: unpacking: 840 MiB
[50.0s] worker: ready after 50.0s: 840 MiB
[50.0s] fast: starting
[50.9s] fast: ready after 0.9s: 9.5 MiB
`, func(r Renderer) {
		r.On(Event{Step: "worker", State: Running, Short: "web:1"})
		for i := range int64(16) {
			r.On(Event{Step: "worker", State: Running, Bytes: 50 * (i + 1) * mib, TotalBytes: 840 * mib})
			time.Sleep(999 * time.Millisecond)
		}
		r.On(Event{Step: "worker", State: Running, Detail: "unpacking", Bytes: 840 * mib, TotalBytes: 840 * mib})
		time.Sleep(34016 * time.Millisecond)
		r.On(Event{Step: "worker", State: Done, Bytes: 840 * mib})
		r.On(Event{Step: "fast", State: Running})
		time.Sleep(900 * time.Millisecond)
		r.On(Event{Step: "fast", State: Done, Bytes: 95 * mib / 10})
	})
}

func TestJSONHasBytes(t *testing.T) {
	t.Parallel()
	inMode(t, "json", `{"time":"2000-01-01T00:00:00Z","step":"worker","state":"running","bytes":327155712,"totalBytes":880803840}
{"time":"2000-01-01T00:00:00Z","step":"worker","state":"done","bytes":880803840,"elapsedSeconds":0}
`, func(r Renderer) {
		r.On(Event{Step: "worker", State: Running, Bytes: 312 * mib, TotalBytes: 840 * mib})
		r.On(Event{Step: "worker", State: Done, Bytes: 840 * mib})
	})
}

func TestAmount(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bytes, total int64
		want         string
	}{
		{0, 0, ""},
		{0, 840 * mib, ""},
		{312 * mib, 840 * mib, "312 of 840 MiB"},
		{312 * mib, 0, "312 MiB"},
		{840 * mib, 840 * mib, "840 MiB"},
		{900 * mib, 840 * mib, "900 MiB"}, // the total was an estimate
		{mib / 2, 95 * mib / 10, "0.5 of 9.5 MiB"},
		{mib / 2, 4096 * mib, "0.5 of 4096 MiB"},
		{100, 300 << 10, "0.1 of 300 KiB"},
		{11 << 10, 0, "11 KiB"},
	} {
		if got := amount(tt.bytes, tt.total); got != tt.want {
			t.Errorf("%d of %d: got %q, want %q", tt.bytes, tt.total, got, tt.want)
		}
	}
}
