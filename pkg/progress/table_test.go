package progress

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// ran returns the events of a step that ran from one second to another.
func ran(name string, from, to float64, needs ...string) []Event {
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	return []Event{
		{Time: at(0), Step: name, State: Pending, Needs: needs},
		{Time: at(from), Step: name, State: Running},
		{Time: at(to), Step: name, State: Done},
	}
}

func joined(lists ...[]Event) []Event {
	var all []Event
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func created() []Event {
	return joined(
		ran("nodes", 0, 0.9),
		ran("kubelet", 0.9, 1.4, "nodes"),
		ran("etcd", 1.4, 2.9, "kubelet"),
		ran("kube-apiserver", 2.9, 4.8, "etcd"),
		ran("kube-controller-manager", 4.8, 5.6, "kube-apiserver"),
		ran("kube-scheduler", 4.8, 5.5, "kube-apiserver"),
		ran("cni", 1.4, 1.5, "kubelet"),
		ran("coredns", 5.6, 8, "cni", "kube-controller-manager", "kube-scheduler", "unheard-of"),
		ran("kubeconfig", 4.8, 4.81, "kube-apiserver"),
	)
}

func tableOf(t *testing.T, events []Event, columns int, getenv func(string) string) string {
	t.Helper()
	var out strings.Builder
	err := Table(&out, events, Options{
		Size:   func() (int, int) { return columns, 0 },
		Getenv: getenv,
		Now:    func() time.Time { return start.Add(10 * time.Second) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTable(t *testing.T) {
	t.Parallel()
	got := tableOf(t, created(), 80, utf8Env)
	want := `  STEP                      START    TOOK  TIMELINE
* nodes                      0.0s    0.9s  ████
* kubelet                    0.9s    0.5s      ██
* etcd                       1.4s    1.5s        ███████
  cni                        1.4s    0.1s        █
* kube-apiserver             2.9s    1.9s               █████████
* kube-controller-manager    4.8s    0.8s                        ████
  kube-scheduler             4.8s    0.7s                        ███
  kubeconfig                 4.8s    0.0s                        █
* coredns                    5.6s    2.4s                            ███████████
  total                              8.0s

* on the critical path: the total shrinks only if one of these gets faster
`
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestTableOfAFailure(t *testing.T) {
	t.Parallel()
	events := joined(ran("nodes", 0, 2), ran("映像", 1, 3), ran("etcd", 2, 9, "nodes"), ran("kubelet", 2.5, 3))
	events = events[:len(events)-1] // kubelet still runs
	events[8].State = Failed
	events = append(events,
		Event{Time: start.Add(9 * time.Second), Step: "coredns", State: Skipped},
		Event{Time: start, Step: "kubeconfig", State: Pending})
	got := tableOf(t, events, 60, env("LANG=C"))
	want := `  STEP                   START    TOOK  TIMELINE
* nodes                   0.0s    2.0s  ####
  ??                      1.0s    2.0s    ####
* etcd (failed)           2.0s    7.0s      ##############
  kubelet (running)       2.5s    7.5s       ###############
  coredns (skipped)          -       -
  kubeconfig (pending)       -       -
  total                          10.0s

* on the critical path: the total shrinks only if one of these gets faster
`
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestTableOfVeryLittle(t *testing.T) {
	t.Parallel()
	if got := tableOf(t, nil, 80, utf8Env); got != "" {
		t.Errorf("without events got:\n%s", got)
	}
	got := tableOf(t, ran("an image whose name is longer than the terminal has columns", 0, 0), 20, utf8Env)
	want := `  STEP         START    TOOK  TIMELINE
* an image …    0.0s    0.0s  █
  total                 0.0s

* on the critical path: the total shrinks only if one of these gets faster
`
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	got = tableOf(t, ran("etcd", 1, 2)[:1], 50, utf8Env)
	want = `  STEP             START    TOOK  TIMELINE
  etcd (pending)       -       -
  total                     0.0s
`
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestTableReturnsTheErrorOfWriting(t *testing.T) {
	t.Parallel()
	if err := Table(failing{}, created(), Options{}); !errors.Is(err, errDisk) {
		t.Errorf("got error %v, want %v", err, errDisk)
	}
}

func TestCriticalPath(t *testing.T) {
	t.Parallel()
	failed := ran("b", 1, 9, "a")
	failed[2].State = Failed
	for _, tt := range []struct {
		name   string
		events []Event
		want   []string
	}{
		{"of nothing", nil, nil},
		{"of what never ended", ran("a", 0, 1)[:2], nil},
		{"of a cluster", created(), []string{"nodes", "kubelet", "etcd", "kube-apiserver", "kube-controller-manager", "coredns"}},
		{"ends in the failure", joined(ran("a", 0, 1), failed, ran("c", 1, 2)), []string{"a", "b"}},
		{"of equals takes the one told last", joined(ran("a", 0, 1), ran("b", 0, 1), ran("c", 1, 1, "a", "b")), []string{"b", "c"}},
		{"does not run in circles", joined(ran("a", 0, 1, "b"), ran("b", 0, 2, "a")), []string{"a", "b"}},
		{"leaves out a need that did not end", joined(ran("a", 0, 1)[:2], ran("b", 1, 2, "a")), []string{"b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := CriticalPath(tt.events); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

var errDisk = errors.New("no space left on device")

// failing is an output that fails.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errDisk }

var _ io.Writer = failing{}

func ExampleTable() {
	fixed := Options{
		Size:   func() (int, int) { return 60, 24 },
		Getenv: func(string) string { return "" },
	}
	var rec Recorder
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rec.On(Event{Time: at, Step: "etcd", State: Running})
	rec.On(Event{Time: at.Add(2 * time.Second), Step: "etcd", State: Done})
	rec.On(Event{Time: at.Add(2 * time.Second), Step: "kube-apiserver", State: Running, Needs: []string{"etcd"}})
	rec.On(Event{Time: at.Add(3 * time.Second), Step: "kube-apiserver", State: Done})
	if err := Table(os.Stdout, rec.Events(), fixed); err != nil {
		fmt.Println(err)
	}
	// Output:
	// STEP             START    TOOK  TIMELINE
	// * etcd              0.0s    2.0s  #################
	// * kube-apiserver    2.0s    1.0s                   #########
	//   total                     3.0s
	//
	// * on the critical path: the total shrinks only if one of these gets faster
}
