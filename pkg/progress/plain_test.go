package progress

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inMode runs f with a Renderer in a synctest bubble, closes the Renderer, and compares its output
// with want.
func inMode(t *testing.T, mode, want string, f func(Renderer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		r, err := New(mode, &out, Options{Getenv: env()})
		if err != nil {
			t.Fatal(err)
		}
		f(r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if got := out.String(); got != want {
			t.Errorf("got:\n%swant:\n%s", got, want)
		}
	})
}

func TestPlain(t *testing.T) {
	t.Parallel()
	inMode(t, "plain", `[ 0.0s] nodes: starting (machines of the cluster)
[ 0.9s] nodes: ready after 0.9s
[ 0.9s] etcd: starting (keeps its state)
[ 2.4s] etcd: ready after 1.4s: 3 members
[ 2.4s] kube-controller-manager: starting (makes wishes come true)
[ 4.4s] kube-controller-manager: failed after 2.0s: not ready (gave up after 2s)
    last lines of its log:
      bad flag --foo
[ 4.4s] coredns: skipped: kube-controller-manager failed
[ 4.4s] kubeconfig: skipped
`, func(r Renderer) {
		announce(r.On)
		r.On(Event{Step: "coredns", State: Pending})
		r.On(Event{Step: "nodes", State: Running})
		time.Sleep(900 * time.Millisecond)
		r.On(Event{Step: "nodes", State: Running, Detail: "a detail of a fast step"})
		r.On(Event{Step: "nodes", State: Done})
		r.On(Event{Step: "etcd", State: Running})
		time.Sleep(1500 * time.Millisecond)
		r.On(Event{Step: "etcd", State: Done, Elapsed: 1400 * time.Millisecond, Detail: "3 members"})
		r.On(Event{Step: "kube-controller-manager", State: Running})
		time.Sleep(2 * time.Second)
		r.On(Event{Step: "kube-controller-manager", State: Failed,
			Detail: "not ready (gave up after 2s)\nlast lines of its log:\r\n  bad flag --foo\n"})
		r.On(Event{Step: "coredns", State: Skipped, Detail: "kube-controller-manager failed"})
		r.On(Event{Step: "kubeconfig", State: Skipped})
	})
}

func TestPlainExplainsWhatIsSlow(t *testing.T) {
	t.Parallel()
	inMode(t, "plain", `[ 0.0s] coredns: starting
[ 6.0s] coredns: still waiting: pod is Pending
[16.0s] coredns: still waiting: pod is not Ready
[46.0s] coredns: still waiting: pod is not Ready
[76.0s] coredns: still waiting: pod is not Ready
[99.9s] coredns: ready after 99.9s
[99.9s] kubelet: starting
[1m45s] kubelet: still waiting
[1m46s] kubelet: failed after 6.1s
`, func(r Renderer) {
		r.On(Event{Step: "coredns", State: Running})
		for _, detail := range []string{"is Pending", "is Pending", "is ContainerCreating", "is not Ready"} {
			r.On(Event{Step: "coredns", State: Running, Detail: "pod " + detail})
			time.Sleep(3500 * time.Millisecond)
		}
		time.Sleep(85900 * time.Millisecond)
		r.On(Event{Step: "coredns", State: Done})
		r.On(Event{Step: "kubelet", State: Running})
		time.Sleep(6100 * time.Millisecond)
		r.On(Event{Step: "kubelet", State: Failed})
	})
}

func TestPlainForgetsWhatItToldOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	inMode(t, "plain", `[ 0.0s] etcd: starting
[ 6.0s] etcd: still waiting: x
[ 7.0s] etcd: failed after 7.0s
[ 7.0s] etcd: starting
[13.0s] etcd: still waiting: x
[14.0s] etcd: failed after 7.0s
`, func(r Renderer) {
		for range 2 {
			r.On(Event{Step: "etcd", State: Running, Detail: "x"})
			time.Sleep(7 * time.Second)
			r.On(Event{Step: "etcd", State: Failed})
		}
	})
}

func TestPlainIgnoresALateWord(t *testing.T) {
	t.Parallel()
	inMode(t, "plain", `[ 0.0s] etcd: starting
[ 2.0s] etcd: ready after 2.0s
`, func(r Renderer) {
		r.On(Event{Step: "etcd", State: Running})
		time.Sleep(time.Second)
		late := Event{Time: time.Now(), Step: "etcd", State: Running, Detail: "answers 500"}
		time.Sleep(time.Second)
		r.On(Event{Step: "etcd", State: Done})
		r.On(late)
	})
}

func TestPlainWritesWholeLines(t *testing.T) {
	t.Parallel()
	inMode(t, "plain", `[ 0.0s] etcd: starting
+ docker ps -a

[ 0.0s] etcd: ready after 0.0s
half
`, func(r Renderer) {
		fmt.Fprint(r, "+ docker ")
		r.On(Event{Step: "etcd", State: Running})
		fmt.Fprint(r, "ps -a\n\nha")
		r.On(Event{Step: "etcd", State: Done})
		fmt.Fprint(r, "lf")
	})
}
