package progress

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewRefusesAnUnknownMode(t *testing.T) {
	t.Parallel()
	_, err := New("fancy", &strings.Builder{}, Options{})
	want := `unknown progress mode "fancy": choose auto, tty, plain or json`
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestAutoChoosesByOutput(t *testing.T) {
	t.Parallel()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal to be had: %v", err)
	}
	defer terminal.Close()
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		name, mode, term string
		out              *os.File
		want             string
	}{
		{"a terminal", "auto", "xterm", terminal, "*progress.tty"},
		{"the mode left out", "", "xterm", terminal, "*progress.tty"},
		{"a dumb terminal", "auto", "dumb", terminal, "*progress.plain"},
		{"a file", "auto", "xterm", file, "*progress.plain"},
		{"a file by force", "tty", "xterm", file, "*progress.tty"},
		{"a terminal by force", "plain", "xterm", terminal, "*progress.plain"},
		{"json", "json", "xterm", terminal, "*progress.jsonLines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := New(tt.mode, tt.out, Options{Getenv: env("TERM=" + tt.term)})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%T", r); got != tt.want {
				t.Errorf("got a %s, want a %s", got, tt.want)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOptionsKnowTheLocale(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		getenv func(string) string
		ascii  bool
	}{
		{env(), true},
		{env("LANG=C"), true},
		{env("LANG=de_DE.ISO-8859-1"), true},
		{env("LANG=C.UTF-8"), false},
		{env("LANG=en_US.utf8"), false},
		{env("LC_ALL=POSIX", "LC_CTYPE=C.UTF-8", "LANG=C.UTF-8"), true},
		{env("LC_ALL=", "LC_CTYPE=C.UTF-8", "LANG=C"), false},
	} {
		if got := (Options{Getenv: tt.getenv}).ascii(); got != tt.ascii {
			t.Errorf("LC_ALL=%s LC_CTYPE=%s LANG=%s: got ascii %v, want %v",
				tt.getenv("LC_ALL"), tt.getenv("LC_CTYPE"), tt.getenv("LANG"), got, tt.ascii)
		}
	}
}

func TestOptionsFillInTheSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opts          Options
		columns, rows int
	}{
		{Options{}.filled(&strings.Builder{}), 80, 24},
		{Options{}.filled(os.NewFile(^uintptr(0), "closed")), 80, 24},
		{Options{Size: func() (int, int) { return 0, 50 }}, 80, 50},
		{Options{Size: func() (int, int) { return 132, -1 }}, 132, 24},
	} {
		if columns, rows := tt.opts.size(); columns != tt.columns || rows != tt.rows {
			t.Errorf("got %dx%d, want %dx%d", columns, rows, tt.columns, tt.rows)
		}
	}
}

func TestRenderersAreSilentAfterClose(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"tty", "plain", "json"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				r, err := New(mode, &out, Options{})
				if err != nil {
					t.Fatal(err)
				}
				r.On(Event{Step: "etcd", State: Running})
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				before := out.String()
				r.On(Event{Step: "etcd", State: Done})
				if _, err := fmt.Fprintln(r, "late"); !errors.Is(err, os.ErrClosed) {
					t.Errorf("got error %v of a late line, want %v", err, os.ErrClosed)
				}
				time.Sleep(time.Minute)
				if err := r.Close(); err != nil {
					t.Errorf("a second Close: %v", err)
				}
				if got := out.String(); got != before {
					t.Errorf("wrote %q after Close", strings.TrimPrefix(got, before))
				}
			})
		})
	}
}

func TestRenderersStopAtTheFirstError(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"tty", "plain", "json"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out := &counting{}
				r, err := New(mode, out, Options{})
				if err != nil {
					t.Fatal(err)
				}
				r.On(Event{Step: "etcd", State: Running})
				time.Sleep(time.Minute)
				r.On(Event{Step: "etcd", State: Done})
				for range 2 {
					if err := r.Close(); !errors.Is(err, errDisk) {
						t.Errorf("got error %v of Close, want %v", err, errDisk)
					}
				}
				if out.writes != 1 {
					t.Errorf("%d writes, want no more after the first one", out.writes)
				}
			})
		})
	}
}

// counting is an output that fails and counts the attempts.
type counting struct{ writes int }

func (c *counting) Write([]byte) (int, error) {
	c.writes++
	return 0, errDisk
}

func TestRenderersAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"tty", "plain", "json"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r, err := New(mode, &out, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for range 100 {
						r.On(Event{Step: fmt.Sprint(i), State: Running})
						fmt.Fprintln(r, "a whole line")
						r.On(Event{Step: fmt.Sprint(i), State: Done})
					}
					_ = r.Close() // the other renderers write on
				})
			}
			wg.Wait()
			for line := range strings.Lines(out.String()) {
				if strings.Contains(line, "whole") && strings.Count(line, "a whole line") != 1 {
					t.Errorf("torn line %q", line)
				}
			}
		})
	}
}

func TestRenderersWriteNothingOfNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"tty", "plain", "json"} {
		var out strings.Builder
		r, err := New(mode, &out, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil || out.Len() > 0 {
			t.Errorf("%s: wrote %q with error %v", mode, out.String(), err)
		}
	}
}

func TestCloseMayBeCalledByMany(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"tty", "plain", "json"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r, err := New(mode, &out, Options{})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(r, "held")
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := strings.Count(out.String(), "held"); n != 1 {
				t.Errorf("the held line was written %d times: %q", n, out.String())
			}
		})
	}
}
