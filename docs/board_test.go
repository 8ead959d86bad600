package docs

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkube/mkube/pkg/progress"
)

// The size of the board's terminal, and the timing of its picture.
const (
	boardColumns, boardRows = 92, 18
	frameLength             = 400 * time.Millisecond // shorter ones make the file larger
	lastFrameLength         = 5 * time.Second
)

// TestPictureOfTheBoard compares the moving picture of create cluster with the events that
// pictures/create.jsonl has, the output of a real "mkube create cluster --progress json". The flag
// -update writes the picture.
func TestPictureOfTheBoard(t *testing.T) {
	t.Parallel()
	var frames []frame
	synctest.Test(t, func(t *testing.T) { frames = replay(t, recorded(t, "pictures/create.jsonl")) })
	same(t, "pictures/create.svg", terminal("mkube create cluster", frames))
}

// TestPictureOfATrace compares the picture of a trace with the text that pictures/trace.txt has, the
// output of a real "mkube trace pod". The flag -update writes the picture.
func TestPictureOfATrace(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("pictures/trace.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	same(t, "pictures/trace.svg", terminal(lines[0], []frame{{lines: lines}}))
}

// recorded reads the events of a file of JSON lines. Lines that are messages are left out.
func recorded(t *testing.T, path string) []progress.Event {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var events []progress.Event
	for line := range bytes.Lines(data) {
		var e progress.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if e.Step != "" {
			events = append(events, e)
		}
	}
	if len(events) < 30 {
		t.Fatalf("%s has only %d events", path, len(events))
	}
	return events
}

// A film keeps a frame for each write of a board. A board writes all of its lines again if one has
// changed, so a write is a frame.
type film struct {
	start  time.Time
	frames []frame
}

// control matches the sequences that move the cursor, clear, or hide the cursor: all but colors.
var control = regexp.MustCompile(`\x1b\[[0-9?]*[A-Zhl]`)

func (f *film) Write(p []byte) (int, error) {
	text := strings.Trim(control.ReplaceAllString(string(p), ""), "\r\n")
	f.frames = append(f.frames, frame{time.Since(f.start), strings.Split(text, "\r\n")})
	return len(p), nil
}

// replay shows events on a board, at their times, and returns what it shows. It must run in a
// bubble of synctest, where no time passes.
func replay(t *testing.T, events []progress.Event) []frame {
	t.Helper()
	f := &film{start: time.Now()}
	board, err := progress.New("tty", f, progress.Options{
		Size:   func() (columns, rows int) { return boardColumns, boardRows },
		Getenv: func(name string) string { return map[string]string{"TERM": "xterm-256color", "LANG": "C.UTF-8"}[name] },
	})
	if err != nil {
		t.Fatal(err)
	}
	first := events[0].Time
	for _, e := range events {
		time.Sleep(time.Until(f.start.Add(e.Time.Sub(first))))
		e.Time = time.Time{} // now, in the time of the bubble
		board.On(e)
	}
	if err := board.Close(); err != nil {
		t.Error(err)
	}
	var kept []frame
	for i, one := range f.frames {
		if n := len(kept); i < len(f.frames)-1 && n > 0 && one.at-kept[n-1].at < frameLength {
			continue
		}
		kept = append(kept, one)
	}
	return kept
}
