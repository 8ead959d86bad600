package progress

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// env returns a Getenv of these variables.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if key, value, _ := strings.Cut(p, "="); key == name {
				return value
			}
		}
		return ""
	}
}

// onScreen runs f with a board on a screen, in a synctest bubble.
func onScreen(t *testing.T, columns, rows int, getenv func(string) string, f func(*testing.T, *screen, Renderer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(t, columns, rows)
		r, err := New("tty", s, Options{Size: s.size, Getenv: getenv})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if _, hidden := s.state(); hidden {
				t.Error("the cursor is still hidden after Close")
			}
		}()
		f(t, s, r)
	})
}

// see lets time pass and compares the screen with want.
func see(t *testing.T, s *screen, d time.Duration, want string) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := s.all(); got != want {
		t.Errorf("after %v got:\n%swant:\n%s", d, got, want)
	}
}

func announce(on Func) {
	for _, e := range []Event{
		{Step: "nodes", Short: "machines of the cluster"},
		{Step: "etcd", Short: "keeps its state", Needs: []string{"nodes"}},
		{Step: "kube-controller-manager", Short: "makes wishes come true", Needs: []string{"nodes", "etcd"}},
	} {
		e.State = Pending
		on(e)
	}
}

// forget drops the lines that have scrolled away, because a terminal that becomes lower scrolls.
func forget(s *screen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scrolled = nil
}

var utf8Env = env("LANG=en_US.UTF-8")

func TestTTYShowsCreate(t *testing.T) {
	t.Parallel()
	onScreen(t, 80, 24, utf8Env, func(t *testing.T, s *screen, r Renderer) {
		announce(r.On)
		r.On(Event{Step: "nodes", State: Running})
		see(t, s, 140*time.Millisecond, `⠙ nodes                     0.1s  machines of the cluster
· etcd                            waits for nodes
· kube-controller-manager         waits for nodes, etcd
  0 of 3 ready after 0.1s
`)
		if _, hidden := s.state(); !hidden {
			t.Error("the cursor is not hidden while the board is drawn")
		}
		r.On(Event{Step: "nodes", State: Running, Detail: "containerd does not\nanswer \x1b[2Jyet"})
		see(t, s, time.Second, `⠙ nodes                     1.1s  containerd does not; answer  [2Jyet
· etcd                            waits for nodes
· kube-controller-manager         waits for nodes, etcd
  0 of 3 ready after 1.1s
`)
		r.On(Event{Step: "nodes", State: Done})
		r.On(Event{Step: "etcd", State: Running})
		see(t, s, 100*time.Millisecond, `✓ nodes                     1.1s  machines of the cluster
⠹ etcd                      0.1s  keeps its state
· kube-controller-manager         waits for etcd
  1 of 3 ready after 1.2s
`)
		r.On(Event{Step: "etcd", State: Done, Elapsed: 400 * time.Millisecond})
		r.On(Event{Step: "kube-controller-manager", State: Running})
		time.Sleep(98 * time.Second)
		r.On(Event{Step: "kube-controller-manager", State: Done})
		_ = r.Close()
		see(t, s, 0, `✓ nodes                     1.1s  machines of the cluster
✓ etcd                      0.4s  keeps its state
✓ kube-controller-manager  98.0s  makes wishes come true
  3 of 3 ready after 99.2s
`)
	})
}

func TestTTYShowsFailure(t *testing.T) {
	t.Parallel()
	onScreen(t, 80, 24, env("LC_ALL=C", "LANG=en_US.UTF-8"), func(t *testing.T, s *screen, r Renderer) {
		announce(r.On)
		r.On(Event{Step: "nodes", State: Running})
		r.On(Event{Step: "watcher", State: Running, Short: "goes on"})
		r.On(Event{Step: "watcher", State: Running, Detail: "a señal"})
		see(t, s, 200*time.Millisecond, `- nodes                     0.2s  machines of the cluster
. etcd                            waits for nodes
. kube-controller-manager         waits for nodes, etcd
- watcher                   0.2s  a se?al
  0 of 4 ready after 0.2s
`)
		r.On(Event{Step: "nodes", State: Failed, Detail: "starting mkube-control-plane: no space left on device; free some and try again"})
		r.On(Event{Step: "etcd", State: Skipped})
		r.On(Event{Step: "kube-controller-manager", State: Skipped, Detail: "not today"})
		_ = r.Close()
		see(t, s, 0, `x nodes                     0.2s  starting mkube-control-plane: no space lef...
~ etcd                            skipped, without nodes
~ kube-controller-manager         not today
! watcher                   0.2s  stopped: a se?al
  0 of 4 ready, 1 failed after 0.2s
`)
	})
}

func TestTTYAt40Columns(t *testing.T) {
	t.Parallel()
	onScreen(t, 40, 24, utf8Env, func(t *testing.T, s *screen, r Renderer) {
		announce(r.On)
		r.On(Event{Step: "nodes", State: Running, Detail: "映像がありません"})
		see(t, s, 140*time.Millisecond, `⠙ nodes              0.1s  映像があり…
· etcd                     waits for n…
· kube-controller…         waits for n…
  0 of 3 ready after 0.1s
`)
	})
}

func TestTTYWritesLinesAboveTheBoard(t *testing.T) {
	t.Parallel()
	onScreen(t, 40, 6, utf8Env, func(t *testing.T, s *screen, r Renderer) {
		fmt.Fprint(r, "+ docker ")
		fmt.Fprint(r, "info\n")
		see(t, s, 140*time.Millisecond, "+ docker info\n")
		if _, hidden := s.state(); hidden {
			t.Error("the cursor is hidden without a board")
		}
		r.On(Event{Step: "nodes", State: Running})
		r.On(Event{Step: "etcd", State: Pending, Needs: []string{"nodes"}})
		see(t, s, 100*time.Millisecond, `+ docker info
⠹ nodes   0.1s
· etcd          waits for nodes
  0 of 2 ready after 0.1s
`)
		before, _ := s.state()
		fmt.Fprint(r, "+ \x1b[2mdocker\x1b[0m run --privileged --name=x --hostname=x\x1b[A node\r\n\ttab\nheld ")
		see(t, s, 100*time.Millisecond, `+ docker info
+ docker run --privileged --name=x --hos
tname=x [A node
        tab
⠸ nodes   0.2s
· etcd          waits for nodes
  0 of 2 ready after 0.2s
`)
		if writes, _ := s.state(); writes != before+1 {
			t.Errorf("lines and board came in %d writes, want 1", writes-before)
		}
		r.On(Event{Step: "nodes", State: Done})
		_ = r.Close()
		see(t, s, 0, `+ docker info
+ docker run --privileged --name=x --hos
tname=x [A node
        tab
held
✓ nodes   0.2s
· etcd
  1 of 2 ready after 0.2s
`)
	})
}

func TestTTYShowsTheActiveOfManySteps(t *testing.T) {
	t.Parallel()
	onScreen(t, 60, 6, utf8Env, func(t *testing.T, s *screen, r Renderer) {
		for i := range 9 {
			r.On(Event{Step: fmt.Sprintf("step%d", i), State: Pending})
		}
		for i := range 6 {
			r.On(Event{Step: fmt.Sprintf("step%d", i), State: Running})
		}
		for _, i := range []int{0, 3, 4} {
			time.Sleep(time.Second)
			r.On(Event{Step: fmt.Sprintf("step%d", i), State: Done})
		}
		see(t, s, 140*time.Millisecond, `⠙ step1   3.1s
⠙ step2   3.1s
⠙ step5   3.1s
· step6
  3 of 9 ready, 5 not shown after 3.1s
`)
		r.On(Event{Step: "step2", State: Failed, Detail: "gone"})
		for _, i := range []int{1, 5, 6, 7} {
			r.On(Event{Step: fmt.Sprintf("step%d", i), State: Done})
		}
		see(t, s, 100*time.Millisecond, `✓ step1   3.1s
✗ step2   3.1s  gone
✓ step5   3.1s
· step8
  7 of 9 ready, 1 failed, 5 not shown after 3.2s
`)
		_ = r.Close()
		see(t, s, 0, `✓ step0   1.0s
✓ step1   3.1s
✗ step2   3.1s  gone
✓ step3   2.0s
✓ step4   3.0s
✓ step5   3.1s
✓ step6   0.0s
✓ step7   0.0s
· step8
  7 of 9 ready, 1 failed after 3.2s
`)
	})
}

func TestTTYSurvivesResize(t *testing.T) {
	t.Parallel()
	onScreen(t, 80, 12, utf8Env, func(t *testing.T, s *screen, r Renderer) {
		fmt.Fprintln(r, "earlier")
		announce(r.On)
		r.On(Event{Step: "nodes", State: Running, Detail: strings.Repeat("long ", 20)})
		see(t, s, 140*time.Millisecond, `earlier
⠙ nodes                     0.1s  long long long long long long long long long…
· etcd                            waits for nodes
· kube-controller-manager         waits for nodes, etcd
  0 of 3 ready after 0.1s
`)
		s.resize(30, 12)
		see(t, s, 100*time.Millisecond, `earlier
⠹ nodes          0.2s  long …
· etcd                 waits…
· kube-contro…         waits…
  0 of 3 ready after 0.2s
`)
		s.resize(80, 12)
		see(t, s, 100*time.Millisecond, `earlier
⠸ nodes                     0.3s  long long long long long long long long long…
· etcd                            waits for nodes
· kube-controller-manager         waits for nodes, etcd
  0 of 3 ready after 0.3s
`)
		s.resize(80, 1) // no room for a board and the cursor, so it is not drawn
		time.Sleep(time.Second)
		s.resize(80, 4)
		forget(s)
		see(t, s, 100*time.Millisecond, `⠼ nodes                     1.4s  long long long long long long long long long…
· etcd                            waits for nodes
  0 of 3 ready, 1 not shown after 1.4s
`)
	})
}

func TestTTYRestsWhenNothingMoves(t *testing.T) {
	t.Parallel()
	onScreen(t, 80, 24, utf8Env, func(t *testing.T, s *screen, r Renderer) {
		r.On(Event{Step: "nodes", State: Running})
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if writes, _ := s.state(); writes != 10 {
			t.Errorf("%d writes in the first second, want 10", writes)
		}
		r.On(Event{Step: "nodes", State: Done})
		time.Sleep(time.Hour)
		synctest.Wait()
		if writes, _ := s.state(); writes != 11 {
			t.Errorf("%d writes after the end, want 1", writes-10)
		}
	})
}

func TestTTYColours(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts Options
		want bool
	}{
		{"on a terminal", Options{Getenv: utf8Env}, true},
		{"by option", Options{Getenv: utf8Env, NoColor: true}, false},
		{"by NO_COLOR", Options{Getenv: env("LANG=C.UTF-8", "NO_COLOR=1")}, false},
		{"by an empty NO_COLOR", Options{Getenv: env("LANG=C.UTF-8", "NO_COLOR=")}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r, err := New("tty", &out, tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			r.On(Event{Step: "a", State: Done, Short: "does", Elapsed: time.Second})
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			want := "✓ a   1.0s  does\x1b[K\r\n  1 of 1 ready after 0.0s\x1b[K\r\n"
			if tt.want {
				want = "\x1b[32m✓\x1b[0m a   1.0s\x1b[2m  does\x1b[0m\x1b[K\r\n  1 of 1 ready after 0.0s\x1b[K\r\n"
			}
			if got := out.String(); !strings.HasSuffix(got, want) {
				t.Errorf("got %q, want it to end with %q", got, want)
			}
		})
	}
}

func TestTTYIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	onScreen(t, 80, 24, utf8Env, func(t *testing.T, s *screen, r Renderer) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				name := fmt.Sprintf("step%d", i)
				r.On(Event{Step: name, State: Running})
				for range 50 {
					fmt.Fprintf(r, "line of %s\n", name)
					r.On(Event{Step: name, State: Running, Detail: "busy"})
					time.Sleep(7 * time.Millisecond)
				}
				r.On(Event{Step: name, State: Done})
			})
		}
		wg.Wait()
		_ = r.Close()
		got := s.all()
		if n := strings.Count(got, "line of step"); n != 400 {
			t.Errorf("%d lines above the board, want 400", n)
		}
		if n := strings.Count(got, "✓ step"); n != 8 {
			t.Errorf("%d steps on the final board, want 8:\n%s", n, got)
		}
		if strings.Contains(got, "busy") {
			t.Errorf("parts of earlier boards are left:\n%s", got)
		}
	})
}
