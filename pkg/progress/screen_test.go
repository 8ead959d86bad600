package progress

import (
	"strconv"
	"strings"
	"sync"
	"testing"
)

// screen is a small terminal. It interprets the sequences of a board, and fails the test on any
// other sequence.
type screen struct {
	t *testing.T

	mu            sync.Mutex
	columns, rows int
	cells         [][]string // a cell is its characters, or "" for the second half of a wide one
	x, y          int
	full          bool // the last cell of the line is written, so the next character wraps
	hidden        bool // whether the cursor is hidden
	scrolled      []string
	writes        int
}

func newScreen(t *testing.T, columns, rows int) *screen {
	s := &screen{t: t, columns: columns, rows: rows}
	for range rows {
		s.cells = append(s.cells, s.blank())
	}
	return s
}

func (s *screen) size() (int, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.columns, s.rows
}

func (s *screen) blank() []string {
	return strings.Split(strings.Repeat(" ", s.columns), "")
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	rest := string(p)
	for rest != "" {
		if sequence, found := strings.CutPrefix(rest, "\x1b["); found {
			end := strings.IndexFunc(sequence, func(r rune) bool { return r >= '@' && r <= '~' })
			if end < 0 {
				s.t.Errorf("torn control sequence %q", sequence)
				return len(p), nil
			}
			s.control(sequence[:end], sequence[end])
			rest = sequence[end+1:]
			continue
		}
		for _, r := range rest {
			s.print(r)
			rest = rest[len(string(r)):]
			break
		}
	}
	return len(p), nil
}

func (s *screen) control(parameters string, final byte) {
	s.full = s.full && final == 'm'
	switch string(final) {
	case "m":
	case "A":
		n, err := strconv.Atoi(parameters)
		if err != nil || n < 1 {
			s.t.Errorf("cursor up by %q", parameters)
		}
		s.y = max(0, s.y-n)
	case "K":
		copy(s.cells[s.y][s.x:], s.blank())
	case "J":
		if s.x == 0 && s.y == 0 {
			s.t.Error("the whole screen is cleared at once, tmux would keep it")
		}
		copy(s.cells[s.y][s.x:], s.blank())
		for y := s.y + 1; y < s.rows; y++ {
			s.cells[y] = s.blank()
		}
	case "h", "l":
		if parameters != "?25" {
			s.t.Errorf("mode %q", parameters)
		}
		s.hidden = final == 'l'
	default:
		s.t.Errorf("unknown control sequence %q%c", parameters, final)
	}
}

func (s *screen) print(r rune) {
	switch r {
	case '\r':
		s.x, s.full = 0, false
		return
	case '\n':
		s.newline()
		return
	case '\t':
		s.x = min(s.columns-1, s.x/8*8+8)
		return
	}
	if r < ' ' {
		s.t.Errorf("control character %q", r)
		return
	}
	n := runeCells(r)
	if n == 0 {
		s.cells[s.y][max(0, s.x-1)] += string(r)
		return
	}
	if s.full || s.x+n > s.columns {
		s.newline()
		s.x = 0
	}
	s.cells[s.y][s.x] = string(r)
	if n == 2 {
		s.cells[s.y][s.x+1] = ""
	}
	s.full = s.x+n == s.columns
	s.x = min(s.x+n, s.columns-1)
}

func (s *screen) newline() {
	s.full = false
	if s.y++; s.y == s.rows {
		s.y--
		s.scrolled = append(s.scrolled, strings.TrimRight(strings.Join(s.cells[0], ""), " "))
		s.cells = append(s.cells[1:], s.blank())
	}
}

// resize wraps the lines again, as most terminals do. The cursor must be on an empty line.
func (s *screen) resize(columns, rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, cursor := s.cells, s.y
	s.columns, s.rows, s.cells = columns, rows, newScreen(s.t, columns, rows).cells
	s.x, s.y, s.full = 0, 0, false
	for _, line := range old[:cursor] {
		for _, r := range strings.TrimRight(strings.Join(line, ""), " ") {
			s.print(r)
		}
		s.print('\r')
		s.print('\n')
	}
}

// state returns the number of writes, and whether the cursor is hidden.
func (s *screen) state() (writes int, hidden bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes, s.hidden
}

// lines returns the content of the screen, without the empty lines at its end.
func (s *screen) lines() string {
	var b strings.Builder
	for _, line := range s.cells {
		b.WriteString(strings.TrimRight(strings.Join(line, ""), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// all returns the lines that have scrolled away and the content of the screen.
func (s *screen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.scrolled) == 0 {
		return s.lines()
	}
	return strings.Join(s.scrolled, "\n") + "\n" + s.lines()
}

func TestScreen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"wraps", "abcdefg", "abcde\nfg\n"},
		{"does not wrap a full line before the next character", "abcde\r\nfg", "abcde\nfg\n"},
		{"scrolls", "1\r\n2\r\n3\r\n4", "1\n2\n3\n4\n"},
		{"overwrites", "abc\r\n\x1b[1Ax\x1b[K", "x\n"},
		{"clears below", "abc\r\ndef\r\nghi\x1b[2A\r\n\x1b[J", "abc\n"},
		{"wide characters wrap whole", "abcd中e", "abcd\n中e\n"},
		{"ignores colours", "\x1b[32mab\x1b[0m", "ab\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScreen(t, 5, 3)
			_, _ = s.Write([]byte(tt.in))
			if got := s.all(); got != tt.want {
				t.Errorf("got:\n%swant:\n%s", got, tt.want)
			}
		})
	}
}
