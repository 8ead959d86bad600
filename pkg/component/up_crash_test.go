package component_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// TestUpSeesACrash checks that a unit that exits repeatedly is reported long before the timeout.
func TestUpSeesACrash(t *testing.T) {
	t.Parallel()
	const list = `{"containers":[
		{"id":"old","state":"CONTAINER_EXITED","metadata":{"attempt":0}},
		{"id":"new","state":"CONTAINER_EXITED","metadata":{"attempt":2}}]}`
	script := func(restarts, containers string) func(args []string) (string, int, bool) {
		return func(args []string) (string, int, bool) {
			switch {
			case args[0] == "systemctl":
				return restarts, 0, true
			case strings.Contains(args[2], "crictl inspect") && args[len(args)-1] == "new":
				return exited(137, time.Now(), time.Now()), 0, true
			case args[0] == "sh" && strings.Contains(args[2], "crictl ps"):
				return containers, 0, true
			}
			return withLog("panic: unit\n", "panic: pod\n")(args)
		}
	}
	for name, test := range map[string]struct {
		unit   string
		answer func(args []string) (string, int, bool)
		want   string
	}{
		"a unit": {"thing.service", script("NRestarts=4\nExecMainStatus=1\n", ""),
			"thing on mkube-control-plane: keeps crashing: it ended 4 times, the last time with exit code 1\nthe end of its log:\npanic: unit"},
		"a unit that ended once": {"thing.service", script("NRestarts=1\nExecMainStatus=1\n", ""), ""},
		"a container": {"", script("", list),
			"thing on mkube-control-plane: keeps crashing: it ended 3 times, the last time with exit code 137\nthe end of its log:\npanic: pod"},
		"a container that runs again": {"", script("", strings.Replace(list, "EXITED", "RUNNING", 1)), ""},
		"a container that ended once": {"", script("", strings.Replace(list, `"attempt":2`, `"attempt":0`, 1)), ""},
		"no container":                {"", script("", ""), ""},
		"no JSON":                     {"", script("", "oops"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, config.Cluster{}, test.answer)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				start := time.Now()
				c := component.Component{
					About: component.About{
						Name: "thing",
					},
					Lifecycle: component.Lifecycle{
						Unit: test.unit,
						Ready: func(context.Context, *cluster.Cluster, provider.Node) error {
							if time.Since(start) > 10*time.Second {
								return nil
							}
							return errors.New("connection refused")
						},
					},
				}
				err := r.up.Do(ctx, c, component.Signals{})
				if got := componenttest.Message(err); got != test.want {
					t.Errorf("Do = %s; want %s", got, test.want)
				}
				var crash *component.CrashError
				if test.want != "" && !errors.As(err, &crash) {
					t.Errorf("Do = %#v; want a CrashError behind it", err)
				}
				if took := time.Since(start); test.want != "" && took > 5*time.Second {
					t.Errorf("it took %s to see the crash", took)
				}
			})
		})
	}
}

// TestUpExcusesCrashes checks that exits do not count before the dependencies are ready, and
// that one more after that does.
func TestUpExcusesCrashes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		every   time.Duration // the time between two exits of the process
		settled time.Duration // when its dependencies are ready
		last    int           // the maximum number of exits
		want    time.Duration // when the crash is reported, 0 if the component becomes ready
	}{
		"it ends no more when all is there": {5 * time.Second, 30 * time.Second, 6, 0},
		"it goes on":                        {5 * time.Second, 30 * time.Second, 100, 40 * time.Second},
		"all was there":                     {5 * time.Second, 0, 100, 13 * time.Second},
		"all was there soon":                {time.Second, 2 * time.Second, 100, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				r := newRig(t, config.Cluster{}, func(args []string) (string, int, bool) {
					ends := min(int(time.Since(start)/test.every), test.last)
					return fmt.Sprintf("NRestarts=%d\nExecMainStatus=1\n", ends), 0, true
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				c := component.Component{
					About: component.About{
						Name: "thing",
					},
					Lifecycle: component.Lifecycle{
						Unit: "thing.service",
						Ready: func(context.Context, *cluster.Cluster, provider.Node) error {
							if time.Since(start) > 5*time.Minute {
								return nil
							}
							return errors.New("connection refused")
						},
					},
				}
				err := r.up.Do(ctx, c, component.Signals{NeedsReady: func() bool { return time.Since(start) >= test.settled }})
				var crash *component.CrashError
				if errors.As(err, &crash) != (test.want > 0) {
					t.Fatalf("Do = %v", err)
				}
				if took := time.Since(start); test.want > 0 && (took < test.want-4*time.Second || took > test.want) {
					t.Errorf("it took %s to tell of the crash; want %s", took, test.want)
				}
			})
		})
	}
}

// exited is the output of the script that inspects a container.
func exited(code int, started, finished time.Time) string {
	return fmt.Sprintf("%s\n{\"status\":{\"exitCode\":%d,\"startedAt\":%q,\"finishedAt\":%q}}",
		time.Now().UTC().Format(time.RFC3339Nano), code, started.Format(time.RFC3339Nano), finished.Format(time.RFC3339Nano))
}

// TestUpExcusesWaiting checks that a container that waited for its dependencies before they were
// ready, and then exited, is not reported, unless it exits again.
func TestUpExcusesWaiting(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		length time.Duration // how long a run takes
		runs   int           // the number of runs that end; the next one does not
		want   time.Duration // when the crash is reported, 0 if the component becomes ready
	}{
		"it waited since before":      {10 * time.Second, 2, 0},
		"and waits in vain once more": {10 * time.Second, 3, 55 * time.Second},
		"it exits soon":               {time.Second, 2, 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				r := newRig(t, config.Cluster{}, restarting(start, test.length, test.runs))
				c := thing()
				c.Start = nil
				c.Ready = func(context.Context, *cluster.Cluster, provider.Node) error {
					if time.Since(start) > time.Minute {
						return nil
					}
					return errors.New("connection refused")
				}
				// The second run begins 20 seconds after the start.
				err := r.up.Do(t.Context(), c, component.Signals{NeedsReady: func() bool { return time.Since(start) >= min(25*time.Second, 20*test.length) }})
				var crash *component.CrashError
				if errors.As(err, &crash) != (test.want > 0) {
					t.Fatalf("Do = %v", err)
				}
				if took := time.Since(start); test.want > 0 && (took < test.want-4*time.Second || took > test.want) {
					t.Errorf("the crash is reported after %s; want %s", took, test.want)
				}
			})
		})
	}
}

// restarting answers for a container that begins a run every 20 seconds. Only some runs end.
func restarting(start time.Time, length time.Duration, ending int) func(args []string) (string, int, bool) {
	return func(args []string) (string, int, bool) {
		attempt := int(time.Since(start) / (20 * time.Second))
		began := start.Add(time.Duration(attempt) * 20 * time.Second)
		state := "CONTAINER_EXITED"
		if time.Since(began) < length || attempt >= ending {
			state = "CONTAINER_RUNNING"
		}
		switch {
		case args[0] == "sh" && strings.Contains(args[2], "crictl inspect"):
			return exited(1, began, began.Add(length)), 0, true
		case args[0] == "sh" && strings.Contains(args[2], "crictl ps"):
			return fmt.Sprintf(`{"containers":[{"id":"new","state":%q,"metadata":{"attempt":%d}}]}`, state, attempt), 0, true
		}
		return "", 0, true
	}
}
